package import HostCore

/// A link to one peer without its wire: what roles send is taken from here, and what came is put in. For worlds that
/// carry it by other means than a connection. The links' loop.
package final class PeerDesk {
  package let id: UInt32
  private let services: NodeServices
  private let line: PeerLine
  private var reader = PeerReader()
  private var taken = TakenFrames()
  private var inbox: PeerInbox?
  private let calls: IncomingCalls

  /// `announce`: roles have sent something.
  package init(
    _ peer: ClusterSettings.Peer, _ services: NodeServices, _ loop: EventLoop, _ announce: @escaping () -> Void
  ) {
    id = peer.id
    self.services = services
    line = PeerLine(id: peer.id, address: peer.address)
    calls = IncomingCalls(line, services, loop)
    let carried = UncheckedReference(announce)
    line.announce = { _ in carried.value() }
    services.peers.add(line)
  }

  package func up(name: String) {
    reader = PeerReader()
    line.open(name: name)
    services.peers.tellAll(.linkUp, node: id)
  }

  package func down() {
    line.close()
    taken.clear()
    services.peers.tellAll(.linkDown, node: id)
    services.peers.breakCalls(to: line)
    calls.cancelAll()
  }

  /// It is no peer any more.
  package func leave() { services.peers.remove(line) }

  /// Hands what waits to `send`, in pieces of whole frames.
  package func pump(_ send: (_ lane: Int, _ bytes: [UInt8]) -> Void) {
    line.take(into: &taken)
    var piece: [UInt8] = []
    while let (lane, bytes, parcels) = taken.next({ piece = [UInt8]($0) }) {
      line.sent(lane, bytes: bytes, parcels: parcels)
      send(Int(lane.rawValue), piece)
    }
  }

  /// Something came from the peer.
  package func take(_ bytes: [UInt8]) throws(PeerFault) {
    try bytes.withUnsafeBufferPointer { bytes throws(PeerFault) in
      _ = try reader.read(UnsafeRawBufferPointer(bytes)) { kind, _, body throws(PeerFault) in
        try take(kind, body)
        return true
      }
    }
  }

  private func take(_ kind: PeerFrame.Kind, _ body: UnsafeRawBufferPointer) throws(PeerFault) {
    switch kind {
    case .message: put(try PeerMessage(body))
    case .request: calls.requestCame(try PeerRequest(body))
    case .response: services.peers.responseCame(try PeerResponse(body))
    case .cancel: calls.cancelCame(body)
    default: throw PeerFault("a frame that no node sends here")
    }
  }

  private func put(_ message: PeerMessage) {
    if inbox?.isNamed(message.to) != true { inbox = services.peers.inbox(String(decoding: message.to, as: UTF8.self)) }
    guard let inbox, inbox.put(.message, node: id, message) == .closed else { return }
    self.inbox = services.peers.inbox(String(decoding: message.to, as: UTF8.self))
    _ = self.inbox?.put(.message, node: id, message)
  }
}
