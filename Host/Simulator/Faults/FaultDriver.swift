import HostCore

/// Lets the faults of a plan happen. Several of one kind may overlap; what they do ends with the last.
final class FaultDriver {
  private unowned let world: World
  private let usualLatency: ClosedRange<Int64>
  private let usualSync: ClosedRange<Int64>
  private var active: [Fault] = []

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
    world.trace.note(.fault, world.now, -1, 1, fault.words(world))
    active.append(fault)
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
    if fault.end <= fault.start { active.removeAll { $0 == fault } }
  }

  private func end(_ fault: Fault) {
    world.trace.note(.fault, world.now, -1, 2, "no longer: \(fault.words(world))")
    if let place = active.firstIndex(of: fault) { active.remove(at: place) }
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
  private func start(_ node: Int) {
    let isDown = active.contains {
      switch $0.change {
      case .crash(let other): other == node
      case .blackout(let nodes): nodes.contains(node)
      default: false
      }
    }
    if !isDown { world.nodes[node].start() }
  }

  /// What all that lasts amounts to together.
  private func apply() {
    let network: Network = world.network
    var factor: Int64 = 1
    (network.breakChance, network.duplicateChance, network.overtakeChance) = (0, 0, 0)
    for node in world.nodes { (node.disk.sync, node.disk.isFull, node.slowness) = (usualSync, false, 0) }
    var cuts: [(Int, Int)] = []
    for fault in active {
      switch fault.change {
      case .slowNetwork(let more): factor = max(factor, more)
      case .breakingLinks(let chance): network.breakChance = max(network.breakChance, chance)
      case .duplicates(let chance): network.duplicateChance = max(network.duplicateChance, chance)
      case .reordering(let chance): network.overtakeChance = max(network.overtakeChance, chance)
      case .slowDisk(let node): world.nodes[node].disk.sync = 50_000_000...1_500_000_000
      case .fullDisk(let node): world.nodes[node].disk.isFull = true
      case .slowNode(let node, let by): world.nodes[node].slowness = max(world.nodes[node].slowness, by)
      case .oneWay(let from, let to): cuts.append((from, to))
      case .partition(let some):
        for one in some {
          for other in world.nodes.indices where !some.contains(other) { cuts += [(one, other), (other, one)] }
        }
      default: break
      }
    }
    network.latency = usualLatency.lowerBound * factor...usualLatency.upperBound * factor
    network.setCuts(cuts.map { (world.nodes[$0.0].id, world.nodes[$0.1].id) })
  }
}
