import HostCore

extension Manifest {
  /// What it asks for and this host does not do yet, in sentences for the log and for `hostctl status`.
  /// Nobody shall wait for a port that never opens.
  var withoutEffect: [String] {
    var sentences: [String] = []
    if let obstacle = linkObstacle, wantsLinks {
      if !others.isEmpty { sentences.append("`cluster.peers` (\(othersText)) has no effect: \(obstacle)") }
      if listener(named: Listener.peersName) != nil { sentences.append("`listen.peers` has no effect: \(obstacle)") }
    }
    return sentences
  }

  /// A node without a port for links, and with nothing to prove itself by, may still tell its roles where others are.
  var namedOnly: String? {
    guard !wantsLinks, !others.isEmpty, let obstacle = linkObstacle else { return nil }
    return "roles are told where other nodes are (\(othersText)), and there are no links to them: \(obstacle)"
  }

  private var wantsLinks: Bool { listener(named: Listener.peersName) != nil || cluster.key != nil }
  private var others: [ClusterSettings.Peer] { cluster.peers.filter { $0.id != node.id } }
  private var othersText: String { others.map { "\($0.id) at \($0.address)" }.joined(separator: ", ") }
}
