import Glibc
import SimulatedRoles
import Testing

@testable import Simulator

/// Worlds in which nodes elect a leader.
@Suite struct ElectorWorldTests {
  private static let seeds: UInt64 = getenv("NODEHOST_LONG_TESTS") == nil ? 4 : 100

  @Test func thereIsOneLeaderWhateverHappens() throws {
    let simulation = try Elector.everything.simulation()
    for seed in 1...Self.seeds {
      let watcher = OneLeaderAtATime()
      let outcome = simulation.run(seed, watchers: [watcher])
      #expect(outcome.failure == nil, "seed \(seed): \(outcome.failure!)")
      #expect(watcher.looked > 1000 && outcome.plan.faults.count > 5, "\(outcome)")
    }
  }

  /// The published algorithm takes silence for death. The same cut, with votes, leaves one leader.
  @Test func theClassicAlgorithmSplitsWithTheNetwork() throws {
    for mode in ["classic", "quorum"] {
      let split = RoleTrial(
        Elector.build,
        """
        deployment elector/\(mode == "classic" ? "classic" : "node").yaml
        nodes 5
        minutes 1
        faults none
        at 20s partition elector-4 elector-5 for 20s
        within 5s same elector.leader
        """)
      let leaders = LeadersAtOnce()
      let outcome = try split.simulation().run(1, watchers: [leaders])
      #expect(outcome.failure == nil, "\(outcome.failure!)")
      #expect(leaders.most == (mode == "classic" ? 2 : 1), "\(mode)")
    }
  }
}
