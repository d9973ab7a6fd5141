import CNodeABI
import CSystem
import Glibc
import HostCore

/// All links of a node: the listener that others connect to, and a link for each peer of the manifest. On a loop of its
/// own, so that pings are answered and votes pass also while a role holds its loop; unless the manifest says otherwise,
/// to save a message the way between two threads.
final class PeerHub: PeerLinks {
  /// Connections that have not said who they are. More are closed as they come.
  private static let openingLimit = 128
  /// Different complaints of one kind that are kept and logged; whoever knocks with ever new ones fills no log.
  static let complaintLimit = 64

  let loop: EventLoop
  let services: NodeServices
  let own: PeerSelf
  /// What new connections prove themselves with.
  var proof: PeerProof
  let timing: PeerTiming
  private var links: [UInt32: PeerLink] = [:]
  private var connections: [ObjectIdentifier: PeerConnection] = [:]
  private var acceptor: Acceptor?
  private var strangers: [String: PeersReport.Stranger] = [:]
  private(set) var listener = ""

  init(_ services: NodeServices, cluster: String, proof: PeerProof, timing: PeerTiming, loop: EventLoop) {
    self.services = services
    self.proof = proof
    self.timing = timing
    self.loop = loop
    own = PeerSelf(
      PeerHello(id: services.nodeID, boot: HostRandom.number | 1, cluster: cluster, name: services.nodeName))
  }

  func log(_ level: UInt32, _ message: String) { services.log.write(level, role: "", message) }

  // MARK: Life

  /// Takes a listening socket over.
  func listen(_ descriptor: Int32) {
    listener = SocketAddress.local(of: descriptor).map { "\($0)" } ?? ""
    acceptor = Acceptor(
      descriptor, on: loop, { [unowned self] in accepted($0, $1) },
      troubled: { [unowned self] in log(NH_LOG_ERROR, "the peers listener \($0.words)") })
    acceptor?.start()
    log(NH_LOG_INFO, "listening for other nodes at \(listener)")
  }

  /// Links with these, and no longer with others. This node itself may be among them.
  package func adopt(_ peers: [ClusterSettings.Peer]) {
    let others = peers.filter { $0.id != own.hello.id }
    for id in links.keys where !others.contains(where: { $0.id == id }) {
      links.removeValue(forKey: id)?.end(
        .fault, "node \(own.hello.id) no longer has node \(id) among its cluster.peers")
    }
    for peer in others {
      if let link = links[peer.id] { link.moved(to: peer.address) } else { links[peer.id] = PeerLink(peer, self) }
    }
  }

  package func end() {
    acceptor?.stop()
    acceptor = nil
    for link in links.values { link.end(.leaving, "") }
    links = [:]
    for connection in connections.values where connection.stage != .closed { connection.stream.close() }
    connections = [:]
  }

  // MARK: Connections

  private func accepted(_ descriptor: Int32, _ from: SocketAddress) {
    guard connections.values.count(where: { $0.stage == .opening }) < Self.openingLimit else {
      close(descriptor)
      return
    }
    let connection = PeerConnection(descriptor, from, dialled: nil, self)
    connections[ObjectIdentifier(connection)] = connection
    connection.start()
  }

  func closed(_ connection: PeerConnection) { connections[ObjectIdentifier(connection)] = nil }

  func link(_ id: UInt32) -> PeerLink? { links[id] }

  func objection(to hello: PeerHello, over connection: PeerConnection) -> String? {
    let objection = own.objection(to: hello, expected: connection.dialled?.id) { links[$0] != nil }
    if let objection { return objection }
    guard !connection.proves(hello.id) else { return nil }
    return "the certificate of node \(hello.id) (\(hello.name)) is not for "
      + "\(PeerProof.name(of: hello.id, in: own.hello.cluster)), which it must have as a DNS name"
  }

  /// About somebody who is no peer.
  func complain(_ words: String, from address: SocketAddress) {
    let host = address.host
    let key = "\(host) \(words)"
    let now = Timestamp.now() / 1_000_000
    if strangers[key] != nil {
      strangers[key]!.lastMilliseconds = now
      strangers[key]!.count += 1
      return
    }
    if strangers.count >= Self.complaintLimit,
      let oldest = strangers.min(by: { $0.value.lastMilliseconds < $1.value.lastMilliseconds })
    {
      strangers[oldest.key] = nil
    }
    strangers[key] = PeersReport.Stranger(address: host, error: words, lastMilliseconds: now, count: 1)
    log(NH_LOG_WARNING, "a connection from \(address) is no link: \(words)")
  }

  // MARK: Control

  /// False if there is no such peer.
  package func cut(_ cut: PeerCut) -> Bool {
    guard let link = links[cut.id] else { return false }
    if cut.isCut { link.cut(cut.direction) } else { link.heal() }
    return true
  }

  package func fill(_ report: inout PeersReport) {
    report.proof = proof.usesCertificates ? "certificates" : "key"
    report.listener = listener
    report.peers = links.values.map(\.report).sorted { $0.id < $1.id }
    report.strangers = strangers.values.sorted { $0.lastMilliseconds > $1.lastMilliseconds }
  }
}
