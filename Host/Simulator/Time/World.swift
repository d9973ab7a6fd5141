import HostCore
package import HostRuntime

/// A simulated world: nodes with their roles, loops, disks and wires, on one clock that jumps from event to event.
///
/// All that happens follows from the deployment, the seed and what it is told to do; nothing else is asked: no clock,
/// no thread, no socket. It lives on the thread that makes it, from there until `end`.
package final class World: @unchecked Sendable {
  /// So many events at one instant, and something goes round in circles.
  private static let standstillLimit = 1_000_000

  package private(set) var now: Int64 = 0
  package let trace: Trace
  package private(set) var nodes: [SimNode] = []
  package private(set) var network: Network!
  let catalogue: PluginCatalogue
  let room: VirtualTime.Room
  /// For what the world itself decides while it runs: latencies, costs.
  package var chance: SeededNumbers
  private var queue = EventQueue()
  /// Of all its loops, of which one at a time has its turn.
  let scratch = EventLoop.makeScratch()
  private var eventsAtThisInstant = 0
  /// Looked at after each event.
  package var watchers: [any WorldWatcher] = []
  package private(set) var failure: WorldFailure?

  package init(seed: UInt64, catalogue: PluginCatalogue, trace: Trace = Trace()) {
    self.catalogue = catalogue
    self.trace = trace
    chance = SeededNumbers(seed: seed ^ 0x5EED_0000_0000_0001)
    room = VirtualTime.Room(seed: seed)
    room.enter()
    network = Network(self)
  }

  /// Where roles' objects lie, which are real files: new for each world, in memory if the system has a place for that.
  private let files = WorldFiles()

  deinit { scratch.deallocate() }

  package func add(_ plan: NodePlan) -> SimNode {
    var plan = plan
    plan.manifest.node.state = files.folder(nodes.count)
    let node = SimNode(plan, number: nodes.count, in: self)
    nodes.append(node)
    network.add(node)
    return node
  }

  package func node(_ id: UInt32) -> SimNode? { network.node(id) }

  /// By the name that others have for its machine.
  func node(atHost host: String) -> SimNode? {
    if let node = nodes.first(where: { $0.plan.address == host || $0.name == host }) { return node }
    for node in nodes {
      if let peer = node.plan.manifest.cluster.peers.first(where: { $0.address.host == host }) {
        return self.node(peer.id)
      }
    }
    return nil
  }

  /// Told of all that roles publish.
  package var observers: [(Observation) -> Void] = []

  /// Told of all that clients ask, by its number, when they do and when they are answered.
  package var clientObservers: [(_ number: Int, ClientOperation) -> Void] = []

  func observe(_ observation: Observation) { for observer in observers { observer(observation) } }

  // MARK: Events

  func schedule(_ loop: SimLoop, at time: Int64) {
    guard time < loop.scheduled else { return }
    loop.scheduled = time
    queue.add(.turn(loop), at: time)
  }

  func add(_ parcel: Parcel, at time: Int64) { queue.add(.parcel(parcel), at: time) }

  package func after(_ delay: Int64, _ work: @escaping () -> Void) { queue.add(.other(work), at: now + max(0, delay)) }
  package func at(_ time: Int64, _ work: @escaping () -> Void) { queue.add(.other(work), at: max(now, time)) }

  /// Lets time pass until `end`, or until something is found wrong.
  package func run(until end: Int64) {
    room.enter()
    while failure == nil, let time = queue.earliest, time <= end { step() }
    if failure == nil { now = max(now, end) }
  }

  private func step() {
    guard let (time, work) = queue.next() else { return }
    eventsAtThisInstant = time == now ? eventsAtThisInstant + 1 : 0
    if eventsAtThisInstant > Self.standstillLimit {
      return fail("time", "a million events at one instant: something goes round in circles")
    }
    now = time
    switch work {
    case .turn(let loop):
      guard loop.scheduled == time else { return }
      loop.takeTurn()
    case .parcel(let parcel): parcel.wire.arrived(parcel)
    case .other(let work): work()
    }
    if !watchers.isEmpty { for watcher in watchers { watcher.worldMoved(self) } }
  }

  /// The first failure ends the run.
  package func fail(_ rule: String, _ words: String, at time: Int64?) {
    guard failure == nil else { return }
    failure = WorldFailure(rule: rule, words: words, time: time ?? now)
    trace.note(.failure, now, -1, 0, "\(rule): \(words)")
  }

  /// Ends all nodes as a loss of power would, and gives back what they held.
  package func end() {
    for node in nodes { node.vanish() }
    watchers = []
    observers = []
    clientObservers = []
    files.remove()
    queue = EventQueue()
    network.channels.end()
    room.leave()
  }
}

/// Looks at the world after each event, and calls `World.fail` when something is wrong.
package protocol WorldWatcher: AnyObject {
  func worldMoved(_ world: World)
}

package struct WorldFailure: Sendable, Equatable {
  /// The invariant, or what else the world watches over.
  package var rule: String
  package var words: String
  package var time: Int64

  package init(rule: String, words: String, time: Int64) { (self.rule, self.words, self.time) = (rule, words, time) }
}
