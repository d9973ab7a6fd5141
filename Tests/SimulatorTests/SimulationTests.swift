import HostRuntime
import Testing

@testable import Simulator

/// Worlds of three nodes that keep registers together.
@Suite struct SimulationTests {
  private static let busy = """
    minutes 1.5
    faults all
    clients 6 pause 20ms..300ms timeout 2s
      call register.write k{1..2} {unique}
      call register.read k{1..2}
    within 15s running
    always linearizable register.read register.write
    """

  @Test func theRightRegisterIsRightWhateverHappens() throws {
    let simulation = try RegisterPlugin().simulation(Self.busy)
    for seed in 1...3 as ClosedRange<UInt64> {
      let outcome = simulation.run(seed)
      #expect(outcome.failure == nil, "seed \(seed): \(outcome.failure!)")
      #expect(outcome.answered > 300 && outcome.plan.faults.count > 5, "\(outcome)")
    }
  }

  @Test func theSameSeedIsTheSameRun() throws {
    let simulation = try RegisterPlugin().simulation(Self.busy)
    let first = simulation.run(42), second = simulation.run(42), other = simulation.run(43)
    #expect(first.hash == second.hash && first.events == second.events)
    #expect(first.hash != other.hash)
    #expect(simulation.divergence(42) == nil)
  }

  /// Each broken register is found; most of them by the first or second seed.
  @Test(arguments: RegisterPlugin.faults) func brokenRegistersAreFound(_ fault: String) throws {
    // What was acknowledged and not synced is lost only if most replicas lose their power within one sync.
    let cuts = "\(RegisterPlugin.repository)/Tests/Simulation/power-cuts.sim"
    let rare = ["ACK_BEFORE_SYNC", "NO_WRITE_BACK"].contains(fault)
    let simulation = try RegisterPlugin(broken: fault).simulation(
      rare ? String(decoding: readFile(cuts, limit: 1 << 16) ?? [], as: UTF8.self) : Self.busy)
    let found = (1...20 as ClosedRange<UInt64>).first { simulation.run($0).failure != nil }
    let seed = try #require(found, "not found")
    let failure = try #require(simulation.run(seed).failure)
    #expect(failure.rule == "linearizable register.read register.write", "\(failure)")
  }

  /// The replicas' own rule, as a watcher sees it after each event.
  @Test func whatAReplicaHasNeverGoesBack() throws {
    let right = VersionsRise(), broken = VersionsRise()
    let simulation = try RegisterPlugin().simulation(Self.busy)
    #expect(simulation.run(3, watchers: [right]).failure == nil)
    #expect(right.looked > 100)
    let forgetful = try RegisterPlugin(broken: "FORGETS").simulation(Self.busy)
    let found = (1...40 as ClosedRange<UInt64>).contains {
      forgetful.run($0, watchers: [broken]).failure?.rule == "versions rise"
    }
    #expect(found)
  }

  /// A rule that a run is too short for would never be looked at.
  @Test func runsLastUntilTheirRulesAreLookedAt() throws {
    #expect(throws: Deployment.Problem.self) { try RegisterPlugin().simulation("minutes 0.5\nwithin 40s running") }
    let simulation = try RegisterPlugin().simulation("minutes 3\nwithin 60s running")
    #expect((1...20 as ClosedRange<UInt64>).allSatisfy { simulation.plan($0).calmFrom <= 120_000_000_000 })
  }

  @Test func aFailureIsShrunk() throws {
    let simulation = try RegisterPlugin(broken: "SMALL_QUORUM").simulation(Self.busy)
    let seed = try #require((1...10 as ClosedRange<UInt64>).first { simulation.run($0).failure != nil })
    var tries = 0
    var shrinker = try #require(Shrinker(simulation, seed: seed) { count, _, _ in tries = count })
    let (scenario, outcome) = shrinker.run()
    #expect(tries > 3 && outcome.failure?.rule == "linearizable register.read register.write")
    #expect(outcome.plan.faults.count <= 2, "\(scenario.text)")
    // What is written is read as the same run again.
    let again = try ScenarioReader.read(scenario.text, in: "/")
    #expect(again.text == scenario.text)
    let repeated = try simulation.with(again).run(seed)
    #expect(repeated.hash == outcome.hash && repeated.failure == outcome.failure)
  }
}
