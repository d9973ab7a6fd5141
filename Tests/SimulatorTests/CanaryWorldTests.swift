import SimulatedRoles
import Testing

@testable import Simulator

/// Worlds in which nodes agree on who gets which version.
@Suite struct CanaryWorldTests {
  @Test func theNodesAgreeWhateverHappens() throws {
    let simulation = try Canary.everything.simulation()
    for seed in 1...2 as ClosedRange<UInt64> {
      let watcher = RoutingAgrees()
      let outcome = simulation.run(seed, watchers: [watcher])
      #expect(outcome.failure == nil, "seed \(seed): \(outcome.failure!)")
      #expect(watcher.looked > 15 && watcher.decisions["start"] ?? 0 > 1, "\(watcher.decisions)")
    }
  }

  /// The judge looks once a second, at what three nodes have told.
  @Test func aBadVersionIsGoneWithinTenSeconds() throws {
    let trial = RoleTrial(
      Canary.build,
      """
      deployment canary/node.yaml
      nodes 3
      minutes 1
      faults none
      clients 1 pause 4s..6s timeout 2s
        call canary.start {"version":"bad","steps":[10,100],"every_ms":15000,"metrics":["error_rate<2%"]}
      """)
    for seed in 1...5 as ClosedRange<UInt64> {
      let watcher = RoutingAgrees()
      let outcome = try trial.simulation().run(seed, watchers: [watcher])
      #expect(outcome.failure == nil, "seed \(seed): \(outcome.failure!)")
      #expect(watcher.rollbacks.count >= 2 && watcher.rollbacks.allSatisfy { $0 < 10 }, "\(watcher.rollbacks)")
    }
  }
}
