/// Keys that were deleted, and by which transaction: after a crash it may have to be known.
///
/// That is over long before the oldest of so many makes room: a coordinator keeps fewer transactions open, and tells
/// what became of one before it asks for others.
struct GoneKeys {
  static let limit = 16_384
  /// At least so many make room at a time.
  private static let portion = 1_024

  private var entries: [String: (entry: LedgerEntry, revision: UInt64)] = [:]
  /// In the order in which they went; some may be back, or have gone once more.
  private var order: [(key: String, revision: UInt64)] = []

  subscript(key: String) -> LedgerEntry? { entries[key]?.entry }

  mutating func add(_ key: String, _ entry: LedgerEntry, revision: UInt64) {
    entries[key] = (entry, revision)
    order.append((key, revision))
  }

  mutating func remove(_ key: String) { entries[key] = nil }

  /// They may have been added in any order.
  mutating func sort() { order.sort { $0.revision < $1.revision } }

  /// Those that need not be known any more, except those that are about to come back.
  mutating func takeOldest(except isComing: (String) -> Bool) -> [String] {
    let count = order.count - Self.limit
    guard count >= Self.portion else { return [] }
    let oldest = order.prefix(count).filter { entries[$0.key]?.revision == $0.revision && !isComing($0.key) }
    order.removeFirst(count)
    for (key, _) in oldest { entries[key] = nil }
    return oldest.map(\.key)
  }
}
