import HostCore

/// Lets the faults of a plan happen in a world.
final class FaultDriver {
  private unowned let world: World
  private let usualLatency: ClosedRange<Int64>
  private let usualSync: ClosedRange<Int64>
  private var active = ActiveFaults()

  init(_ world: World, _ plan: FaultPlan) {
    self.world = world
    usualLatency = world.network.latency
    usualSync = world.nodes.first?.disk.sync ?? 0...1
    for fault in plan.faults {
      world.at(fault.start) { [self] in begin(fault) }
      if fault.end > fault.start { world.at(fault.end) { [self] in end(fault) } }
    }
  }

  private func begin(_ fault: Fault) {
    world.trace.note(.fault, world.now, -1, 1, fault.words(world.nodeNames))
    active.begin(fault)
    switch fault.change {
    case .crash(let node): world.nodes[node].crash()
    case .blackout(let nodes): for node in nodes { world.nodes[node].crash("loses its power") }
    case .failingSync(let node): world.nodes[node].disk.fails = true
    case .clockJump(let node, let by): world.nodes[node].clock.wallError += by
    case .drift(let node, let by): world.nodes[node].clock.setDrift(by, at: world.now)
    case .swap(let node, let role):
      world.nodes[node].ask(.swap(SwapRequest(roles: [role], force: true))) { _ in }
    case .reload(let node): world.nodes[node].ask(.reload) { _ in }
    default: apply()
    }
  }

  private func end(_ fault: Fault) {
    world.trace.note(.fault, world.now, -1, 2, "no longer: \(fault.words(world.nodeNames))")
    active.end(fault)
    switch fault.change {
    case .crash(let node): start(node)
    case .blackout(let nodes):
      for node in nodes {
        world.after(Int64.random(in: 0...500_000_000, using: &world.chance)) { [self] in start(node) }
      }
    case .drift(let node, _): world.nodes[node].clock.setDrift(0, at: world.now)
    default: apply()
    }
  }

  /// Unless another fault keeps it down.
  private func start(_ node: Int) { if !active.keepsDown(node) { world.nodes[node].start() } }

  /// What all that lasts amounts to together.
  private func apply() {
    let network: Network = world.network
    var factor: Int64 = 1
    (network.breakChance, network.duplicateChance, network.overtakeChance) = (0, 0, 0)
    for node in world.nodes {
      (node.disk.sync, node.disk.isFull, node.slowness) = (usualSync, false, active.slowness(of: node.number))
    }
    for fault in active.list {
      switch fault.change {
      case .slowNetwork(let more): factor = max(factor, more)
      case .breakingLinks(let chance): network.breakChance = max(network.breakChance, chance)
      case .duplicates(let chance): network.duplicateChance = max(network.duplicateChance, chance)
      case .reordering(let chance): network.overtakeChance = max(network.overtakeChance, chance)
      case .slowDisk(let node): world.nodes[node].disk.sync = 50_000_000...1_500_000_000
      case .fullDisk(let node): world.nodes[node].disk.isFull = true
      default: break
      }
    }
    network.latency = usualLatency.lowerBound * factor...usualLatency.upperBound * factor
    network.setCuts(active.cuts(among: world.nodes.count).map { (world.nodes[$0.0].id, world.nodes[$0.1].id) })
  }
}
