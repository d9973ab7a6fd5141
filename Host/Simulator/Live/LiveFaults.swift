import HostCore
import HostRuntime

/// Lets the faults of a plan happen to live processes, as far as that can be.
final class LiveFaults {
  /// What can be done to processes on one machine.
  static let kinds: Set<FaultKind> = [.loss, .partitions, .crashes, .slow, .swaps, .reloads]

  /// A link that hears nothing for five seconds breaks.
  private static let breakingTime: Int64 = 6_000_000_000
  /// Between two times in which a slow node stands still.
  private static let slowNodeRuns: Int64 = 10_000_000

  private let stage: LiveStage
  private var active = ActiveFaults()
  /// A link that is being broken.
  private var broken: (Int, Int)?
  private var dice: SeededNumbers
  /// What each node's links are to be like, and what each has been told, by the numbers of both ends.
  private var wanted: [[Cut]]
  private var present: [[Cut]]
  private var isTelling: Set<Int> = []
  private(set) var count = 0

  /// The directions in which a link is cut.
  private struct Cut: Equatable {
    var incoming = false
    var outgoing = false
    var isNone: Bool { !incoming && !outgoing }
    var direction: PeerCut.Direction { incoming && outgoing ? .both : incoming ? .incoming : .outgoing }
  }

  init(_ stage: LiveStage, _ plan: FaultPlan, seed: UInt64) {
    self.stage = stage
    dice = SeededNumbers(seed: seed ^ 0x11FE_0000_0000_0005)
    wanted = Array(repeating: Array(repeating: Cut(), count: stage.nodeCount), count: stage.nodeCount)
    present = wanted
    for fault in plan.faults {
      stage.at(fault.start) { [self] in begin(fault) }
      if fault.end > fault.start { stage.at(fault.end) { [self] in end(fault) } }
    }
    stage.cameUp = { [unowned self] node in
      present[node.number] = Array(repeating: Cut(), count: stage.nodeCount)
      tell(node.number)
    }
  }

  private func begin(_ fault: Fault) {
    stage.trace.note(.fault, stage.now, -1, 1, fault.words(stage.nodeNames))
    count += 1
    active.begin(fault)
    switch fault.change {
    case .crash(let node): stage.nodes[node].kill()
    case .blackout(let nodes): for node in nodes { stage.nodes[node].kill() }
    case .swap(let node, let role): ask(node, .swap(SwapRequest(roles: [role], force: true)))
    case .reload(let node): ask(node, .reload)
    case .slowNode(let node, _): standStill(node)
    case .breakingLinks: breakLink(fault)
    default: setCuts()
    }
  }

  private func ask(_ node: Int, _ request: ControlRequest) {
    if stage.isUp(node) { stage.ask(node, request) { _ in } }
  }

  private func end(_ fault: Fault) {
    stage.trace.note(.fault, stage.now, -1, 2, "no longer: \(fault.words(stage.nodeNames))")
    active.end(fault)
    switch fault.change {
    case .crash(let node): start(node)
    case .blackout(let nodes):
      for node in nodes {
        stage.after(Int64.random(in: 0...500_000_000, using: &dice)) { [self] in start(node) }
      }
    default: setCuts()
    }
  }

  /// Unless another fault keeps it down.
  private func start(_ node: Int) {
    if !active.keepsDown(node), stage.nodes[node].state == .down { stage.start(stage.nodes[node]) }
  }

  // MARK: Slow nodes

  /// A node that is slow stands still for a while, runs for a moment, and stands still again.
  private func standStill(_ number: Int) {
    let node = stage.nodes[number], slowness = active.slowness(of: number)
    guard slowness > 0, !node.isStopped else { return }
    node.stop(true)
    stage.after(slowness) { [self] in
      node.stop(false)
      stage.after(Self.slowNodeRuns) { [self] in standStill(number) }
    }
  }

  // MARK: Links

  private func breakLink(_ fault: Fault) {
    guard active.list.contains(fault), stage.nodeCount > 1 else { return }
    let one = Int.random(in: 0..<stage.nodeCount, using: &dice)
    broken = (one, (one + Int.random(in: 1..<stage.nodeCount, using: &dice)) % stage.nodeCount)
    setCuts()
    stage.after(Self.breakingTime) { [self] in
      broken = nil
      setCuts()
      stage.after(Int64.random(in: 100_000_000...2_000_000_000, using: &dice)) { [self] in breakLink(fault) }
    }
  }

  private func setCuts() {
    for one in wanted.indices { for other in wanted.indices { wanted[one][other] = Cut() } }
    let breaks = broken.map { [($0.0, $0.1), ($0.1, $0.0)] } ?? []
    for (from, to) in active.cuts(among: stage.nodeCount) + breaks {
      wanted[from][to].outgoing = true
      wanted[to][from].incoming = true
    }
    for node in wanted.indices { tell(node) }
  }

  /// Tells a node of one difference after the other.
  private func tell(_ node: Int) {
    guard stage.isUp(node), !isTelling.contains(node) else { return }
    guard let other = wanted.indices.first(where: { wanted[node][$0] != present[node][$0] }) else { return }
    let wish = wanted[node][other], known = present[node][other], process = stage.nodes[node].process
    // A switch can only be set; whoever wants less of it heals the link first.
    let heals = known.incoming && !wish.incoming || known.outgoing && !wish.outgoing
    let cut = PeerCut(id: stage.nodes[other].id, direction: heals ? .both : wish.direction, isCut: !heals)
    isTelling.insert(node)
    stage.ask(node, .cutPeer(cut)) { [self] _ in
      isTelling.remove(node)
      // A new process knows of no cuts.
      if stage.nodes[node].process == process { present[node][other] = heals ? Cut() : wish }
      tell(node)
    }
  }
}

extension LiveFaults {
  /// What of the scenario cannot be done live, and why.
  static func leftOut(of play: Play) -> [String] {
    let steps = play.steps.map(\.change.kind)
    let kinds = play.scenario.faults.union(steps)
    var reasons: [String] = []
    if kinds.contains(.delay) { reasons.append("delay: the network within one machine is as fast as it is") }
    if kinds.contains(.disks) { reasons.append("disks: the machine's own disk is neither slow nor full") }
    if kinds.contains(.clocks) { reasons.append("clocks: all nodes see the machine's one clock") }
    if !kinds.isDisjoint(with: [.duplicates, .reordering]) {
      reasons.append("duplicates, reordering: no real link does it")
    }
    if kinds.contains(.crashes) {
      reasons.append("of crashes the loss of power: processes are killed, and what they have written stays")
    }
    let listens = play.deployment.plans.contains { $0.manifest.listeners.contains { $0.name != Listener.peersName } }
    if !kinds.isDisjoint(with: [.partitions, .loss]), listens {
      reasons.append("of partitions those of HTTP and gRPC: only the links between nodes are cut")
    }
    return reasons
  }

  /// Without what cannot be done.
  static func possible(_ plan: FaultPlan) -> FaultPlan {
    FaultPlan(plan.faults.filter { kinds.contains($0.change.kind) })
  }
}
