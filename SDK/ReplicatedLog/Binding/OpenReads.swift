internal import NodeKit

/// Reads of this member that wait until it is sure what they must see.
struct OpenReads {
  struct Open {
    var number: UInt64
    var deadline: Int64
    /// Only the leader may answer, and this member must be it.
    var mustLead: Bool
    /// How far one must have applied, once that is known.
    var index: UInt64?
    var done: (Result<Void, RoleError>) throws -> Void
  }

  private(set) var all: [Open] = []
  private(set) var nextDeadline: Int64 = .max
  /// The latest that the leader was asked for.
  private var asked: UInt64 = 0

  var count: Int { all.count }
  /// Whether the leader was asked and has not answered.
  var isAsked: Bool { asked > 0 && all.contains { $0.index == nil } }

  mutating func add(_ read: Open) {
    all.append(read)
    nextDeadline = min(nextDeadline, read.deadline)
  }

  /// The highest number of those that the leader was not asked for; it stands for all of them. They count as asked
  /// for from here on.
  mutating func ask() -> UInt64? {
    guard let last = all.last(where: { $0.index == nil }), last.number > asked else { return nil }
    asked = last.number
    return asked
  }

  /// What was asked may be lost.
  mutating func askAgain() { asked = 0 }

  /// The leader has answered for this number, and so for all that are older.
  mutating func answered(_ number: UInt64, _ index: UInt64) {
    guard number <= asked else { return }
    for place in all.indices where all[place].number <= number && all[place].index == nil { all[place].index = index }
  }

  /// Those that may go on.
  mutating func takeReady(applied: UInt64) -> [Open] {
    take { $0.index.map { $0 <= applied } ?? false }
  }

  /// Those that wanted a leader here.
  mutating func takeLeaders() -> [Open] { take { $0.mustLead && $0.index == nil } }

  mutating func takeExpired(_ now: Int64) -> [Open] {
    guard nextDeadline <= now else { return [] }
    defer { nextDeadline = all.reduce(.max) { min($0, $1.deadline) } }
    return take { $0.deadline <= now }
  }

  mutating func takeAll() -> [Open] { take { _ in true } }

  private mutating func take(_ which: (Open) -> Bool) -> [Open] {
    guard all.contains(where: which) else { return [] }
    let taken = all.filter(which)
    all.removeAll(where: which)
    return taken
  }
}
