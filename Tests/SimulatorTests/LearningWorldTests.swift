import Glibc
import SimulatedRoles
import Testing

@testable import Simulator

/// Worlds in which trainers learn together; the broken builds are among the planted faults.
@Suite struct LearningWorldTests {
  private static let isLong = getenv("NODEHOST_LONG_TESTS") != nil
  private static let seeds: UInt64 = isLong ? 50 : 1

  @Test func everyUpdateCountsOnceWhateverHappens() throws {
    let simulation = try Learning.everything.simulation()
    for seed in 1...Self.seeds {
      let watcher = LedgerBalances()
      let outcome = simulation.run(seed, watchers: [watcher])
      #expect(outcome.failure == nil, "seed \(seed): \(outcome.failure!)")
      #expect(watcher.versions > 10 && watcher.taken > 40, "\(watcher.versions) versions of \(watcher.taken)")
    }
  }

  /// A thousand of them, or thirty where there is less time.
  @Test func manyTrainersWhateverHappens() throws {
    let simulation = try Learning.crowd.simulation(nodes: Self.isLong ? 1001 : 31)
    for seed in 1...max(1, Self.seeds / 5) {
      let watcher = LedgerBalances(updatesPerStep: 10)
      let outcome = simulation.run(seed, watchers: [watcher])
      #expect(outcome.failure == nil, "seed \(seed): \(outcome.failure!)")
      #expect(watcher.versions > 5 && watcher.taken > 60, "\(watcher.versions) versions of \(watcher.taken)")
    }
  }

  /// A session that is killed at any moments learns what one learns that never is, to the bit.
  @Test func whoIsKilledLearnsTheSame() throws {
    func learned(_ seed: UInt64, _ more: String) throws -> String? {
      let watcher = LedgerBalances(updatesPerStep: nil)
      let outcome = try Learning.rounds(more).simulation().run(seed, watchers: [watcher])
      #expect(outcome.failure == nil, "seed \(seed): \(outcome.failure!)")
      return watcher.final
    }
    let undisturbed = try #require(try learned(1, "faults none"))
    for seed in 2...4 as ClosedRange<UInt64> {
      let times = [300, 900, 1_700, 2_600, 3_800, 5_100].map { $0 + Int(seed) * 170 }
      let crashes = times.map { "at \($0)ms crash server for 100ms" }.joined(separator: "\n")
      #expect(try learned(seed, "faults none\n\(crashes)") == undisturbed, "seed \(seed)")
    }
  }
}
