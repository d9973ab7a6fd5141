import NodeKit

/// When each node's time is over. Only the gateway that leads asks; when it begins to lead everybody has a full timeout
/// anew.
///
/// Nodes stand in a ring of slots by the tick at which they must be looked at. A heartbeat only notes the time in the
/// node: it is looked at once per timeout, and goes to a later slot if it was heard of meanwhile. So a tick costs what
/// may be over in it, however many nodes there are, and not more than ``mostPerTick``.
struct Liveness {
  struct Entry {
    var id: Int32
    var revision: UInt64
  }

  /// More that fall into one tick are looked at in the next ones.
  static let mostPerTick = 2_048
  /// Ticks to a timeout.
  static let slots = 128

  let timeout: Int64
  let tick: Int64
  private var ring: [[Entry]]
  private var current = 0
  /// What no tick has got round to.
  private var backlog: [Entry] = []
  private var lookedAt = 0
  /// Heard of or not, nobody's time began before.
  private var epoch: Int64 = 0
  private var nextTick: Int64 = 0

  init(timeout: Int64) {
    self.timeout = timeout
    tick = max(1_000_000, timeout / Int64(Self.slots))
    ring = Array(repeating: [], count: Self.slots + 2)
  }

  /// Begins anew, with these nodes.
  mutating func begin(_ nodes: some Sequence<Node>, now: Int64) {
    (epoch, nextTick, current, backlog, lookedAt) = (now, now + tick, 0, [], 0)
    ring = Array(repeating: [], count: Self.slots + 2)
    for node in nodes { add(node, now: now) }
  }

  /// How long it was silent, as far as this gateway can tell.
  func silence(of node: Node, now: Int64) -> Int64 { now - max(node.seen, epoch) }

  /// A node that is new, or another in the place of one.
  mutating func add(_ node: Node, now: Int64) { put(Entry(id: node.id, revision: node.revision), timeout) }

  private mutating func put(_ entry: Entry, _ left: Int64) {
    let ticks = min(Self.slots + 1, max(1, Int((left + tick - 1) / tick)))
    ring[(current + ticks) % ring.count].append(entry)
  }

  /// Goes on to `now`, and tells of each node whose timeout is over; once, unless `watchAgain` is told of it.
  mutating func advance(
    to now: Int64, _ find: (Int32) -> Node?, _ isOver: (Node) -> Void
  ) {
    while nextTick <= now {
      nextTick += tick
      current = (current + 1) % ring.count
      guard !ring[current].isEmpty else { continue }
      if backlog.isEmpty { swap(&backlog, &ring[current]) } else { backlog += ring[current] }
      ring[current].removeAll(keepingCapacity: backlog.count < 64)
    }
    // The oldest first: those that were put off come before those that are looked at again and again.
    let end = min(backlog.count, lookedAt + Self.mostPerTick)
    defer { forgetLookedAt() }
    while lookedAt < end {
      let entry = backlog[lookedAt]
      lookedAt += 1
      guard let node = find(entry.id), node.revision == entry.revision else { continue }
      let left = timeout - silence(of: node, now: now)
      if left > 0 { put(entry, left) } else { isOver(node) }
    }
  }

  private mutating func forgetLookedAt() {
    guard lookedAt == backlog.count || lookedAt > 16_384 else { return }
    backlog.removeFirst(lookedAt)
    lookedAt = 0
  }

  /// Looks at a node that is over again, a little later.
  mutating func watchAgain(_ node: Node) { put(Entry(id: node.id, revision: node.revision), tick) }
}
