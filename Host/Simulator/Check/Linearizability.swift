/// Whether clients that asked at the same time can have seen one register a key, in which each operation happened at
/// one moment between its two ends.
package enum Linearizability: Sendable, Equatable {
  case holds
  case broken(Explanation)
  /// The search was given up after its limit of steps.
  case undecided(key: String)

  package static let defaultStepLimit = 20_000_000

  /// Each key is a register of its own, so each is looked at alone. `initial` is what a register has that was never
  /// written; `stepLimit` counts the operations looked at for one key.
  package static func check(
    _ history: History, initial: String = "", stepLimit: Int = defaultStepLimit
  ) -> Linearizability {
    var undecided: String?
    for (key, operations) in history.byKey {
      var search = LinearizationSearch(RegisterHistory(operations, initial: initial), stepLimit: stepLimit)
      switch search.run() {
      case true: continue
      case false: return .broken(Explanation(key, operations, initial: initial, stepLimit: stepLimit))
      case nil: undecided = undecided ?? key
      }
    }
    return undecided.map { .undecided(key: $0) } ?? .holds
  }
}
