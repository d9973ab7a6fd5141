import HostCore

extension Manifest {
  /// What it asks for and this host does not do yet, in sentences for the log and for `hostctl status`.
  /// Nobody shall wait for a port that never opens.
  var withoutEffect: [String] {
    var sentences: [String] = []
    if let address = control.remote?.address {
      sentences.append(
        "`control.address` has no effect: this host is controlled by its socket only, and nothing answers at \(address)"
      )
    }
    let others = cluster.peers.filter { $0.id != node.id }
    if let obstacle = linkObstacle {
      if !others.isEmpty {
        let list = others.map { "\($0.id) at \($0.address)" }.joined(separator: ", ")
        sentences.append("`cluster.peers` (\(list)) has no effect: \(obstacle)")
      }
      if listener(named: Listener.peersName) != nil { sentences.append("`listen.peers` has no effect: \(obstacle)") }
    }
    return sentences
  }
}
