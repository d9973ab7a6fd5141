/// What may go wrong in a world.
package enum FaultKind: String, CaseIterable, Sendable {
  /// Links that break, with what was on its way.
  case loss
  /// Times in which everything takes long on the network.
  case delay
  case partitions, crashes
  /// Slow disks, full disks, and a sync that fails.
  case disks
  /// Clocks that run fast or slow, and wall clocks that jump.
  case clocks
  /// Nodes that take long for everything.
  case slow
  case swaps, reloads
  /// Messages that arrive twice, or overtake one another. No link does this, so it is not among `all`.
  case duplicates, reordering

  package static let usual = Set(allCases).subtracting([.duplicates, .reordering])

  package static let help: [(FaultKind, String)] = [
    (.loss, "links that break, with what was on its way"),
    (.delay, "times in which the network is slow"),
    (.partitions, "nodes that cannot reach others, both ways, one way, or only some of them"),
    (.crashes, "processes that end at any moment and start again; what was not synced is lost"),
    (.disks, "slow and full disks, and syncs that fail"),
    (.clocks, "clocks that run fast or slow, and wall clocks that jump"),
    (.slow, "nodes that take long for everything"),
    (.swaps, "hot swaps of roles that run"),
    (.reloads, "manifests that are read again"),
    (.duplicates, "messages that arrive twice: no link does it, so only if named"),
    (.reordering, "messages that overtake others: no link does it, so only if named"),
  ]
}

/// `--faults` did not make sense.
package struct FaultListProblem: Error {
  package var message: String
}

extension Set<FaultKind> {
  /// `all`, `none`, or names; a name with `-` before it is left out.
  package init(list: String) throws(FaultListProblem) {
    self = []
    for word in list.split(separator: ",", omittingEmptySubsequences: false).map(String.init) {
      switch word {
      case "all": formUnion(FaultKind.usual)
      case "none": removeAll()
      default:
        let name = word.hasPrefix("-") ? String(word.dropFirst()) : word
        guard let kind = FaultKind(rawValue: name) else {
          let names = FaultKind.allCases.map(\.rawValue).joined(separator: ", ")
          throw FaultListProblem(message: "there is no fault `\(word)`; there are all, none, \(names)")
        }
        if word.hasPrefix("-") { remove(kind) } else { insert(kind) }
      }
    }
  }
}
