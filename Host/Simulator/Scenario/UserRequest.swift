import HostCore
import HostRuntime

/// A request that somebody outside the cluster sends to a listener of a node, on a connection of its own.
package final class UserRequest {
  typealias Outcome = ClientOperation.Outcome

  private let end: ChannelEnd
  private let bytes: [UInt8]
  private var sent = 0
  private var parser: HTTPResponseParser
  private var status = 0
  private var body: [UInt8] = []
  private var done: OutsideRequest.Over?

  init(
    _ request: OutsideRequest, to port: SimPort, of node: SimNode, _ done: @escaping OutsideRequest.Over
  ) {
    bytes = request.bytes(host: "\(port.address)")
    parser = HTTPResponseParser()
    self.done = done
    let target = Channels.Target(node: node, address: port.address)
    end = node.world.network.channels.connect(from: nil, to: target, .whatever)
    end.told = { [weak self] in self?.goOn() }
  }

  /// Nobody waits for it any longer.
  func giveUp() { over(.unknown("no answer came in time")) }

  private func goOn() {
    guard done != nil else { return }
    if end.isConnected, sent < bytes.count {
      bytes[sent...].withUnsafeBytes { sent += max(0, end.send($0)) }
    }
    read()
  }

  private func read() {
    let size = 64 << 10
    while done != nil {
      let count = withUnsafeTemporaryAllocation(byteCount: size, alignment: 1) { room in
        let count = end.receive(into: room)
        if count > 0 { parser.feed(room[..<count]) }
        return count
      }
      if count == 0 { parser.finish() }
      if count < 0, !end.isAtRest { return over(.unknown("the connection broke")) }
      understand()
      if count <= 0 { return }
    }
  }

  private func understand() {
    while done != nil {
      switch parser.next() {
      case .needMore: return
      case .head(let head): status = head.status
      case .body(let piece): body += piece
      case .end:
        let digest = BlobName(digest: ContentDigest.of(body)).text
        over(.answered("\(status) \(String(decoding: body, as: UTF8.self))"), digest)
      case .failed(let words): over(.unknown(words))
      }
    }
  }

  private func over(_ outcome: Outcome, _ digest: String? = nil) {
    guard let done else { return }
    self.done = nil
    end.close()
    done(outcome, digest)
  }
}
