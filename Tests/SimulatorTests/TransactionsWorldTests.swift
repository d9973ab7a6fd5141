import Glibc
import SimulatedRoles
import Testing

@testable import Simulator

/// Worlds in which nodes commit transactions together.
@Suite struct TransactionsWorldTests {
  @Test(arguments: [Coordinator.majority, Coordinator.classic])
  func allNodesAgreeWhateverHappens(_ trial: RoleTrial) throws {
    let simulation = try trial.simulation()
    let last: UInt64 = getenv("NODEHOST_LONG_TESTS") == nil ? 1 : 50
    for seed in 1...last {
      let watcher = TransactionsAgree(minutes: 1)
      let outcome = simulation.run(seed, watchers: [watcher])
      #expect(outcome.failure == nil, "seed \(seed): \(outcome.failure!)")
      #expect(watcher.committed > 100 && watcher.aborted > 5 && watcher.sumsLookedAt > 50, "\(outcome)")
      #expect(outcome.plan.faults.count > 5)
    }
  }

  /// The power of all nodes goes, again and again.
  @Test(arguments: [Coordinator.powerCuts, Coordinator.majorityCuts])
  func whatWasToldOutlivesThePower(_ trial: RoleTrial) throws {
    let watcher = TransactionsAgree(minutes: 1)
    let outcome = try trial.simulation().run(1, watchers: [watcher])
    #expect(outcome.failure == nil, "\(outcome.failure!)")
    #expect(watcher.committed > 100 && watcher.followers > 0, "\(outcome)")
  }

  /// Who coordinated pauses, and does not hear of the next one when it goes on.
  @Test func whoPausesDecidesNothingMore() throws {
    let watcher = TransactionsAgree(minutes: 1)
    let outcome = try Coordinator.pauses.simulation().run(1, watchers: [watcher])
    #expect(outcome.failure == nil, "\(outcome.failure!)")
    #expect(watcher.committed > 100, "\(outcome)")
  }
}
