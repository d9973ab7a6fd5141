import NodeKit
import ProtoFields

/// One change of the registry, as watchers hear of it.
struct Change {
  enum Kind: Int32 {
    case joined = 3
    case updated = 4
    case left = 5
    case leader = 6
  }

  var kind: Kind
  var revision: UInt64
  var id: Int32
  /// For a leader, it itself if it is registered.
  var node: Node?
  /// What was in its place before.
  var previous: Node?
  /// Why a node left.
  var reason = ""
  var term: UInt64 = 0
  /// A WatchEvent.
  private(set) var bytes: [UInt8] = []

  init(
    _ kind: Kind, revision: UInt64, id: Int32, node: Node?, previous: Node? = nil, reason: String = "",
    term: UInt64 = 0, time: Double
  ) {
    (self.kind, self.revision, self.id, self.node, self.previous) = (kind, revision, id, node, previous)
    (self.reason, self.term) = (reason, term)
    var writer = ProtoWriter(reserving: 64 + (node?.info.count ?? 0))
    writer.int32(1, kind.rawValue)
    writer.uint64(2, revision)
    node?.write(to: &writer, field: 3, status: NodeStatus.active, seen: time)
    writer.string(4, reason)
    if kind == .leader { writer.int32(5, id) }
    writer.uint64(6, term)
    bytes = writer.bytes
  }
}

enum NodeStatus {
  static let active = "active"
  /// Heartbeats are missing, and its timeout is not over, or it is spared.
  static let silent = "silent"
}

/// The latest changes, for watchers that come back.
struct Changes {
  /// More are forgotten, the oldest first.
  let limit: Int
  private var kept: [Change] = []
  /// Where the oldest one is, once the room is full.
  private var first = 0

  init(limit: Int) { self.limit = limit }

  var oldest: UInt64? { kept.isEmpty ? nil : kept[first].revision }

  mutating func add(_ change: Change) {
    guard kept.count == limit else { return kept.append(change) }
    kept[first] = change
    first = first + 1 == limit ? 0 : first + 1
  }

  mutating func removeAll() {
    kept = []
    first = 0
  }

  /// The change of that revision; nil if it is not known any more, or not yet.
  subscript(revision: UInt64) -> Change? {
    guard let oldest, revision >= oldest, revision - oldest < UInt64(kept.count) else { return nil }
    return kept[(first + Int(revision - oldest)) % kept.count]
  }
}
