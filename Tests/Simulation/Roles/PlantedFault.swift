package import Simulator

/// A broken build of a role, and the scenario that finds it.
package struct PlantedFault: Sendable, CustomStringConvertible {
  package let trial: RoleTrial
  /// The switch, without `BROKEN_`.
  package let fault: String
  /// The rules that it breaks, of the scenario or of the role's watchers; which of them is seen first, a run decides.
  package let rules: [String]
  /// It is found within so many seeds, wherever one begins.
  package let seeds: Int
  /// It takes a rare meeting of faults: too many seeds for tests that run each time.
  package let isRare: Bool

  package init(
    _ fault: String, in trial: RoleTrial, breaks rules: String..., within seeds: Int = 20, isRare: Bool = false
  ) {
    (self.fault, self.trial, self.rules, self.seeds, self.isRare) = (fault, trial, rules, seeds, isRare)
  }

  package var description: String { "\(trial.build.name) \(fault)" }

  /// All that there are, of all roles.
  package static let all =
    Register.planted + Counter.planted + ReplicatedMap.planted + Elector.planted + Gateway.planted + Member.planted
    + Images.planted + Coordinator.planted + Canary.planted + Learning.planted

  /// One of each role: enough for a run of all tests to see that it is still looked for.
  package static let slice = Dictionary(grouping: all.filter { !$0.isRare }, by: \.trial.build.name)
    .sorted { $0.key < $1.key }.map { $0.value[0] }

  package struct Find: Sendable {
    package var seed: UInt64
    package var failure: WorldFailure
    /// How many seeds it took.
    package var tries: Int
  }

  /// The first seed, from `first` on, at which the broken role is found out.
  package func search(from first: UInt64 = 1) throws -> Find? {
    search(try trial.simulation(broken: fault), from: first)
  }

  package func search(_ simulation: Simulation, from first: UInt64) -> Find? {
    for tries in 1...seeds {
      let seed = first + UInt64(tries) - 1
      if let failure = trial.run(simulation, seed).failure { return Find(seed: seed, failure: failure, tries: tries) }
    }
    return nil
  }
}
