import Glibc
import HostRuntime
import Testing

@testable import Simulator

/// Worlds of nodes that keep a map together, on SDK/ReplicatedLog.
@Suite struct ReplicatedLogTests {
  private static let isLong = getenv("NODEHOST_LONG_TESTS") != nil

  private static let rules = """
    always linearizable replicated-map.read replicated-map.write
    always one digest per index in replicated-map.applied
    always one leader per term in replicated-map.leads
    """
  private static let busy = """
    minutes 1
    faults all
    clients 4 pause 20ms..300ms timeout 2s
      call replicated-map.write k{1..2} {unique}
      call replicated-map.read k{1..2}
    within 15s running
    \(rules)
    """

  @Test(arguments: [3, 5]) func theMapIsRightWhateverHappens(nodes: Int) throws {
    let simulation = try ReplicatedMapPlugin().simulation(Self.busy, nodes: nodes)
    for seed in 1...(Self.isLong ? 40 : 1) as ClosedRange<UInt64> {
      let outcome = simulation.run(seed)
      #expect(outcome.failure == nil, "seed \(seed): \(outcome.failure!)")
      #expect(outcome.answered > 100 && outcome.plan.faults.count > 3, "\(outcome)")
    }
  }

  @Test func theSameSeedIsTheSameRun() throws {
    let simulation = try ReplicatedMapPlugin().simulation(Self.busy)
    #expect(simulation.divergence(42) == nil)
  }
}
