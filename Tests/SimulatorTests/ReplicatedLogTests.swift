import Glibc
import SimulatedRoles
import Testing

@testable import Simulator

/// Worlds of nodes that keep a map together, on SDK/ReplicatedLog; the broken builds are among the planted faults.
@Suite struct ReplicatedLogTests {
  private static let seeds: UInt64 = getenv("NODEHOST_LONG_TESTS") == nil ? 1 : 40

  @Test(arguments: [3, 5]) func theMapIsRightWhateverHappens(nodes: Int) throws {
    let simulation = try ReplicatedMap.busy(nodes: nodes).simulation()
    for seed in 1...Self.seeds {
      let outcome = simulation.run(seed)
      #expect(outcome.failure == nil, "seed \(seed): \(outcome.failure!)")
      #expect(outcome.answered > 100 && outcome.plan.faults.count > 3, "\(outcome)")
    }
  }

  @Test func theSameSeedIsTheSameRun() throws {
    #expect(try ReplicatedMap.busy(nodes: 3).simulation().divergence(42) == nil)
  }
}
