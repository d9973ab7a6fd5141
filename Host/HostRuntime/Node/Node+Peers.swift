import CNodeABI
import HostCore
import NodeValues

/// The links to other nodes.
extension Node {
  /// Opens the listener that other nodes connect to, and reads what links prove themselves with. Does nothing for a
  /// node that is alone. Before `start`.
  package func openPeers() throws(NetworkFailure) {
    links = try machine.makeLinks(self)
    if links == nil { services.peers.name(plan.manifest.cluster.peers) }
  }

  func openHub(_ timing: PeerTiming) throws(NetworkFailure) -> PeerHub? {
    guard let proof = try proof() else { return nil }
    let sockets = try plan.manifest.listener(named: Listener.peersName).map { (listener) throws(NetworkFailure) in
      try Acceptor.sockets(listener.address, count: 1)
    }
    let hub = PeerHub(services, cluster: plan.manifest.cluster.name, proof: proof, timing: timing, loop: peersLoop)
    let reference = UncheckedReference(hub), peers = plan.manifest.cluster.peers
    peersLoop.post {
      if let socket = sockets?.first { reference.value.listen(socket) }
      reference.value.adopt(peers)
    }
    return hub
  }

  private func proof() throws(NetworkFailure) -> PeerProof? {
    let manifest = plan.manifest, cluster = manifest.cluster
    guard manifest.isLinkable else { return nil }
    if let files = cluster.tls { return try PeerProof(certificates: files, cluster: cluster.name, id: plan.id) }
    guard let key = cluster.key else { return nil }
    return try PeerProof(key: key, cluster: cluster.name, id: plan.id)
  }

  /// Links with the peers of a manifest that was read again; those that are the same stay up.
  func adoptPeers(_ peers: [ClusterSettings.Peer]) {
    guard let links else { return }
    let reference = UncheckedReference(links)
    peersLoop.post { reference.value.adopt(peers) }
  }

  /// Reads the certificates of the links again, for connections from now on. Returns what could not be used; then the
  /// old ones stay.
  func reloadProof() -> [String] {
    guard let hub = links as? PeerHub, plan.manifest.cluster.tls != nil else { return [] }
    do throws(NetworkFailure) {
      guard let proof = try proof() else { return [] }
      let reference = UncheckedReference(hub)
      peersLoop.post { reference.value.proof = proof }
      return []
    } catch {
      return ["cluster.tls: \(error.words); the old certificate stays in use"]
    }
  }

  /// Says farewell to the other nodes. Comes before the loop of the links is stopped.
  func closePeers() {
    guard let links else { return }
    let reference = UncheckedReference(links)
    peersLoop.post { reference.value.end() }
    self.links = nil
  }

  // MARK: Control

  /// Calls a method of a role on another node.
  func callFar(
    _ node: String, _ role: String, _ method: String, _ request: HostCore.CallRequest, _ reply: @escaping Reply
  ) {
    let place = "\(role).\(method)", started = EventLoop.now()
    do throws(RoleDirectory.Refusal) {
      guard let line = try services.line(to: node) else {
        var here = request
        here.node = nil
        return answer(.call(role: role, method: method, here), reply)
      }
      let call = RemoteCall(line, services.peers, on: control) { [control] outcome, type in
        let microseconds = (EventLoop.now() - started) / 1_000
        control.post { reply(Self.reply(outcome, type, microseconds, place)) }
      }
      let wait = request.timeoutMilliseconds ?? ControlAPI.usualCallMilliseconds
      call.send(role, method, .written(request.input), timeout: wait * 1_000_000)
    } catch {
      reply(Self.reply(.failure(error.status, error.message), .nothing, 0, place))
    }
  }

  func reportPeers(_ reply: @escaping Reply) {
    var report = PeersReport()
    report.node = plan.name
    report.cluster = plan.manifest.cluster.name
    guard let links else { return reply(.json(report.json)) }
    let reference = UncheckedReference(links), empty = report
    peersLoop.post { [control] in
      var report = empty
      reference.value.fill(&report)
      let whole = report
      control.post { reply(.json(whole.json)) }
    }
  }

  /// A switch for tests of what happens when nodes cannot reach one another.
  func cutPeer(_ cut: PeerCut, _ reply: @escaping Reply) {
    let place = "peer \(cut.id)"
    guard isDevelopment else {
      let words = "this node does not cut its links; run it with --dev for that"
      return reply(.failure(.init(.permissionDenied, words, place: place)))
    }
    let unknown = ControlReply.failure(.init(.notFound, "no such node; `hostctl peers` lists them", place: place))
    guard let links else { return reply(unknown) }
    let reference = UncheckedReference(links)
    peersLoop.post { [control] in
      let isKnown = reference.value.cut(cut)
      control.post { reply(isKnown ? .json([:]) : unknown) }
    }
  }
}

extension Manifest {
  /// Whether the node may have links: it can prove who it is, and there is somebody to be linked with.
  var isLinkable: Bool {
    let hasOthers = cluster.peers.contains { $0.id != node.id } || listener(named: Listener.peersName) != nil
    return hasOthers && linkObstacle == nil
  }

  /// Why there can be no links, if the manifest names other nodes.
  var linkObstacle: String? {
    if cluster.tls != nil { return nil }
    guard let key = cluster.key else {
      return "nodes prove who they are by `cluster.key` or `cluster.tls`, and neither is there; "
        + "`hostctl key new` makes a key"
    }
    guard key.value.utf8.count >= ClusterKey.leastLength else {
      return
        "`cluster.key` has \(key.value.utf8.count) bytes, and shorter ones than \(ClusterKey.leastLength) could be "
        + "guessed; `hostctl key new` makes a good one"
    }
    return nil
  }
}
