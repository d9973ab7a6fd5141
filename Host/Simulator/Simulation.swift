import HostCore
import HostRuntime

/// One run of a scenario with one seed.
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

  private let scenario: Scenario
  private let deployment: Deployment
  private let catalogue: PluginCatalogue

  package init(_ scenario: Scenario, _ deployment: Deployment, _ catalogue: PluginCatalogue) {
    (self.scenario, self.deployment, self.catalogue) = (scenario, deployment, catalogue)
  }

  /// At the end of each run so much time is free of faults, so that what should come right again can.
  private static let calm: Int64 = 20_000_000_000
  private static let begin: Int64 = 2_000_000_000

  /// `plan`: other faults than those of the seed.
  package func run(
    _ seed: UInt64, _ plan: FaultPlan? = nil, trace: Trace = Trace(), _ watchers: [any WorldWatcher] = []
  ) -> Outcome {
    let world = World(seed: seed, catalogue: catalogue, trace: trace)
    defer { world.end() }
    for plan in deployment.plans { _ = world.add(plan) }
    let plan = plan ?? self.plan(seed, world)
    let duration = scenario.duration
    world.watchers = watchers
    let driver = FaultDriver(world, plan)
    let clients = Clients(world, scenario.clients, seed: seed, until: duration)
    let rules = RuleWatch(world, scenario.rules, clients, calmFrom: plan.calmFrom)
    for node in world.nodes { world.at(Int64.random(in: 0...50_000_000, using: &world.chance)) { node.start() } }
    world.run(until: duration)
    rules.checkHistories()
    world.observers = []
    return withExtendedLifetime(driver) {
      Outcome(
        seed: seed, failure: world.failure, plan: plan, events: trace.count, hash: trace.hash,
        operations: clients.operations.count, answered: clients.operations.count { $0.end != nil },
        virtualNanoseconds: world.now)
    }
  }

  private func plan(_ seed: UInt64, _ world: World) -> FaultPlan {
    let roles = deployment.plans.map { $0.manifest.roles.map(\.name) }
    let end = max(Self.begin, min(scenario.duration - Self.calm, scenario.duration * 4 / 5))
    var plan = FaultPlan(kinds: scenario.faults, roles: roles, from: Self.begin, until: end, seed: seed)
    plan.faults += scenario.steps.compactMap { fault($0, world) }
    plan.faults.sort { $0.start < $1.start }
    return plan
  }

  private func fault(_ step: Step, _ world: World) -> Fault? {
    func number(_ name: String) -> Int? { world.nodes.firstIndex { $0.name == name } }
    let change: Fault.Change
    switch step.change {
    case .crash(let name): change = .crash(node: number(name)!)
    case .partition(let names): change = .partition(nodes: names.compactMap(number))
    case .cut(let from, let to): change = .oneWay(from: number(from)!, to: number(to)!)
    case .swap(let node, let role): change = .swap(node: number(node)!, role: role)
    case .reload(let name): change = .reload(node: number(name)!)
    }
    let lasts: Int64 =
      switch change {
      case .swap, .reload: 0
      default: step.lasts
      }
    return Fault(change, step.time, step.time + lasts)
  }
}
