import HostCore
import HostRuntime

/// Runs of one scenario.
package struct Simulation {
  package struct Outcome: Sendable {
    package var seed: UInt64
    package var failure: WorldFailure?
    package var plan: FaultPlan
    package var events: Int
    package var hash: UInt64
    package var operations: Int
    package var answered: Int
    package var virtualNanoseconds: Int64
  }

  package let play: Play
  private let catalogue: PluginCatalogue

  package var scenario: Scenario { play.scenario }
  package var deployment: Deployment { play.deployment }

  package init(_ scenario: Scenario, _ catalogue: PluginCatalogue) throws(Deployment.Problem) {
    self.catalogue = catalogue
    play = try Play(scenario)
    try catalogue.open(play.deployment)
  }

  /// The same with another scenario for the same deployment.
  package func with(_ scenario: Scenario) throws(Deployment.Problem) -> Simulation {
    try Simulation(scenario, catalogue)
  }

  /// At the end of each run so much time is free of faults, so that what should come right again can.
  private static let calm: Int64 = 20_000_000_000
  private static let begin: Int64 = 2_000_000_000

  package func plan(_ seed: UInt64) -> FaultPlan { play.plan(seed, from: Self.begin, calm: Self.calm) }

  /// `plan`: other faults than those of the seed and the scenario.
  package func run(
    _ seed: UInt64, _ plan: FaultPlan? = nil, trace: Trace = Trace(), watchers: [any WorldWatcher] = []
  ) -> Outcome {
    let plan = plan ?? self.plan(seed)
    let world = World(seed: seed, catalogue: catalogue, trace: trace)
    defer { world.end() }
    for plan in deployment.plans { _ = world.add(plan) }
    world.watchers = watchers
    let driver = FaultDriver(world, plan)
    let clients = Clients(world, scenario, seed: seed)
    let rules = RuleWatch(world, scenario.rules, clients, calmFrom: plan.calmFrom)
    for node in world.nodes { world.at(Int64.random(in: 0...50_000_000, using: &world.chance)) { node.start() } }
    world.run(until: scenario.duration)
    rules.checkHistories()
    return withExtendedLifetime(driver) {
      Outcome(
        seed: seed, failure: world.failure, plan: plan, events: trace.count, hash: trace.hash,
        operations: clients.operations.count, answered: clients.operations.count { $0.end != nil },
        virtualNanoseconds: world.now)
    }
  }

  /// Runs a seed twice, and tells where the two runs part; nil if they do not.
  package func divergence(_ seed: UInt64) -> (number: Int, node: String, words: String)? {
    let first = Trace()
    first.hashes = []
    _ = run(seed, trace: first)
    let second = Trace()
    second.expected = first.hashes
    _ = run(seed, trace: second)
    if let found = second.divergence {
      return (found.number, found.node < 0 ? "the world" : deployment.names[found.node], found.words)
    }
    guard second.count < first.count else { return nil }
    return (second.count, "the world", "the second run ends here")
  }
}
