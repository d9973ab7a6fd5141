import HostRuntime

/// All wires of a world: how long things take on them, which of them are cut, and what is on its way.
package final class Network {
  unowned(unsafe) var world: World
  private var ends: [UInt32: SimLinks] = [:]
  private var nodes: [UInt32: SimNode] = [:]
  private var wires: [Pair: Wire] = [:]
  /// The same by node, in an order that is the same in each run.
  private var wiresOf: [UInt32: [Wire]] = [:]
  /// Directions in which nothing gets through.
  private var cut: Set<Direction> = []
  /// What HTTP goes over.
  private(set) lazy var channels = Channels(self)

  /// Nanoseconds that everything takes, at least and at most.
  package var latency: ClosedRange<Int64> = 100_000...1_000_000
  /// Of all that is sent, what breaks its link; what was on its way then is lost.
  package var breakChance = 0.0
  /// Of all that is sent, what arrives twice, and what others may overtake. No link does this; roles that bear it are
  /// safe on whatever else may carry their messages one day.
  package var duplicateChance = 0.0
  package var overtakeChance = 0.0

  init(_ world: World) { self.world = world }

  struct Pair: Hashable {
    var low: UInt32, high: UInt32
    init(_ one: UInt32, _ other: UInt32) { (low, high) = (min(one, other), max(one, other)) }
  }

  struct Direction: Hashable {
    var from: UInt32, to: UInt32
  }

  func add(_ node: SimNode) { nodes[node.id] = node }
  func node(_ id: UInt32) -> SimNode? { nodes[id] }

  /// Whether what is sent now breaks its link.
  func breaks() -> Bool { breakChance > 0 && Double.random(in: 0..<1, using: &world.chance) < breakChance }

  func takes() -> Int64 { Int64.random(in: latency, using: &world.chance) }

  // MARK: Processes

  /// A process is there, and would be linked with these.
  func came(_ links: SimLinks, peers: [UInt32]) {
    ends[links.id] = links
    for peer in peers {
      let pair = Pair(links.id, peer)
      guard ends[peer]?.knows(links.id) == true, links.knows(peer) else { continue }
      (wires[pair] ?? stretch(pair)).dialSoon()
    }
  }

  private func stretch(_ pair: Pair) -> Wire {
    let wire = Wire(pair, self)
    wires[pair] = wire
    wiresOf[pair.low, default: []].append(wire)
    wiresOf[pair.high, default: []].append(wire)
    return wire
  }

  /// A process has gone. `says`: its machine lives and tells the others.
  func went(_ links: SimLinks, says: Bool) {
    guard ends[links.id] === links else { return }
    ends[links.id] = nil
    for wire in wiresOf[links.id] ?? [] { wire.endWent(links.id, says: says) }
  }

  func forget(_ one: UInt32, _ other: UInt32) { wires[Pair(one, other)]?.take(down: one, tells: true) }

  func end(_ id: UInt32) -> SimLinks? { ends[id] }

  // MARK: Cuts

  func isCut(_ from: UInt32, _ to: UInt32) -> Bool { !cut.isEmpty && cut.contains(Direction(from: from, to: to)) }

  /// From now on nothing gets from the first to the second of these, and everything elsewhere.
  package func setCuts(_ cuts: [(from: UInt32, to: UInt32)]) {
    let new = Set(cuts.map { Direction(from: $0.from, to: $0.to) }), old = cut
    cut = new
    for direction in Self.inOrder(old.subtracting(new)) {
      wires[Pair(direction.from, direction.to)]?.wasHealed(from: direction.from)
      channels.wasHealed(from: direction.from, to: direction.to)
    }
    for direction in Self.inOrder(new.subtracting(old)) {
      wires[Pair(direction.from, direction.to)]?.wasCut(to: direction.to)
    }
  }

  private static func inOrder(_ directions: Set<Direction>) -> [Direction] {
    directions.sorted { ($0.from, $0.to) < ($1.from, $1.to) }
  }

  // MARK: Parcels

  /// It stays as long as the world.
  func wire(_ one: UInt32, _ other: UInt32) -> Wire? { wires[Pair(one, other)] }
}

/// Some frames of one lane on their way.
struct Parcel {
  // The network keeps its wires as long as the world lasts.
  unowned(unsafe) let wire: Wire
  /// Of the link on which it was sent.
  let link: UInt64
  let from: UInt32
  let lane: Int
  /// Counts up on its wire.
  let number: UInt64
  let bytes: [UInt8]
}
