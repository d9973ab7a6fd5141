import Glibc
import SimulatedRoles
import Testing

@testable import Simulator

/// Worlds of three nodes that keep registers together.
@Suite struct SimulationTests {
  @Test func theRightRegisterIsRightWhateverHappens() throws {
    let simulation = try Register.busy.simulation()
    for seed in 1...3 as ClosedRange<UInt64> {
      let outcome = simulation.run(seed)
      #expect(outcome.failure == nil, "seed \(seed): \(outcome.failure!)")
      #expect(outcome.answered > 300 && outcome.plan.faults.count > 5, "\(outcome)")
    }
  }

  @Test func theSameSeedIsTheSameRun() throws {
    let simulation = try Register.busy.simulation()
    let first = simulation.run(42), second = simulation.run(42), other = simulation.run(43)
    #expect(first.hash == second.hash && first.events == second.events)
    #expect(first.hash != other.hash)
    #expect(simulation.divergence(42) == nil)
  }

  @Test func rolesInSwiftAreBuiltAsTheyAreToo() throws {
    let simulation = try Counter.powerCuts.simulation()
    for seed in 1...3 as ClosedRange<UInt64> {
      let outcome = Counter.powerCuts.run(simulation, seed)
      #expect(outcome.failure == nil && outcome.answered > 100, "seed \(seed): \(outcome)")
    }
  }

  /// Each broken build is found, and by the rule that it breaks.
  @Test(arguments: getenv("NODEHOST_LONG_TESTS") == nil ? PlantedFault.slice : PlantedFault.all)
  func plantedFaultsAreFound(_ planted: PlantedFault) throws {
    let find = try #require(try planted.search(), "\(planted) is not found")
    #expect(planted.rules.contains(find.failure.rule), "\(find.failure)")
  }

  /// The replicas' own rule, as a watcher sees it after each event.
  @Test func whatAReplicaHasNeverGoesBack() throws {
    let watcher = VersionsRise()
    #expect(try Register.busy.simulation().run(3, watchers: [watcher]).failure == nil)
    #expect(watcher.looked > 100)
  }

  private static func lines(_ text: String) throws -> Simulation {
    try RoleTrial(Register.build, "deployment register\n\(text)").simulation()
  }

  /// A rule that a run is too short for would never be looked at.
  @Test func runsLastUntilTheirRulesAreLookedAt() throws {
    #expect(throws: Deployment.Problem.self) { try Self.lines("minutes 0.5\nwithin 40s running") }
    let late = "minutes 0.5\nat 20s crash one for 8s\nwithin 3s running"
    #expect(throws: Deployment.Problem.self) { try Self.lines(late) }
    let simulation = try Self.lines("minutes 3\nwithin 60s running")
    #expect((1...20 as ClosedRange<UInt64>).allSatisfy { simulation.plan($0).calmFrom <= 120_000_000_000 })
  }

  @Test func aFailureIsShrunk() throws {
    let simulation = try Register.busy.simulation(broken: "SMALL_QUORUM")
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
