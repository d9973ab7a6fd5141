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

  /// Each broken build is found by one of twenty seeds. They are built here, which takes its time.
  @Test(.enabled(if: isLong), arguments: ReplicatedMapPlugin.faults)
  func brokenMapsAreFound(_ fault: String) throws {
    // What was acknowledged and not synced is lost only if members lose their power within one sync.
    let file = "\(SimulatedPlugins.repository)/Tests/Simulation/replicated-map-cuts.sim"
    let cuts = String(decoding: readFile(file, limit: 1 << 16) ?? [], as: UTF8.self)
    let lines = cuts.split(separator: "\n").filter { !$0.hasPrefix("deployment") && !$0.hasPrefix("nodes") }
    let simulation = try ReplicatedMapPlugin(broken: fault).simulation(
      fault == "UNSYNCED_ANSWER" ? lines.joined(separator: "\n") : Self.busy)
    #expect((1...20 as ClosedRange<UInt64>).contains { simulation.run($0).failure != nil }, "not found")
  }

  @Test func theSameSeedIsTheSameRun() throws {
    let simulation = try ReplicatedMapPlugin().simulation(Self.busy)
    #expect(simulation.divergence(42) == nil)
  }
}
