/// A read of a range that lasts: it sees one moment, whatever is written meanwhile, and goes on in slices as its
/// client takes them.
final class StoreScan {
  /// How much of it is in memory at a time, beside one entry that may be larger.
  static let sliceEntries = 256
  static let sliceBytes = 256 << 10

  /// What it sees is what this commit left.
  let revision: UInt64
  private let connection: SQLiteConnection
  private let statement: SQLiteStatement
  // SQLite reads them where they stand.
  private let bounds: [UnsafeMutableRawBufferPointer]
  /// What the file does not have yet.
  private var changes: ArraySlice<StoreChange>
  /// Whether the statement stands at a row that was not taken yet, and whether one may follow.
  private var hasRow = false
  private var mayHaveRow = true
  private var left: UInt64

  init(_ range: StoreRange, _ database: StoreDatabase, on connection: SQLiteConnection) throws(SQLiteError) {
    self.connection = connection
    let end = range.to.isEmpty ? "" : " AND key < ?2"
    left = range.limit == 0 ? .max : range.limit
    revision = UInt64(database.revision)
    changes = database.changes.inOrder(range)[...]
    statement = try SQLiteStatement(
      connection, "SELECT key, value, revision, sum FROM entries WHERE key >= ?1\(end) ORDER BY key")
    // From here on it is whole, and `deinit` frees them, whatever fails.
    bounds = [range.from, range.to].map { bytes in
      let room = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, bytes.count), alignment: 1)
      room.copyBytes(from: bytes)
      return UnsafeMutableRawBufferPointer(rebasing: room[..<bytes.count])
    }
    statement.bind(1, UnsafeRawBufferPointer(bounds[0]))
    if !range.to.isEmpty { statement.bind(2, UnsafeRawBufferPointer(bounds[1])) }
    // The moment is chosen by the first read, which is here and now.
    try connection.run("BEGIN; SELECT count(*) FROM counter")
  }

  deinit {
    statement.reset()
    for room in bounds { room.deallocate() }
  }

  /// Gives the connection back, at no moment.
  func end() -> SQLiteConnection? {
    statement.reset()
    do throws(SQLiteError) { try connection.run("COMMIT") } catch { return nil }
    return connection
  }

  /// The next entries, and whether they are the last.
  func next() throws(SQLiteError) -> (entries: [StoreEntry], isLast: Bool) {
    var entries: [StoreEntry] = [], bytes = 0
    while left > 0, entries.count < Self.sliceEntries, bytes < Self.sliceBytes {
      guard let entry = try nextEntry() else { return (entries, true) }
      entries.append(entry)
      bytes += entry.key.count + entry.value.count
      left -= 1
    }
    return (entries, left == 0)
  }

  /// Of a key that the file has and that was changed since, what was changed.
  private func nextEntry() throws(SQLiteError) -> StoreEntry? {
    while true {
      if !hasRow, mayHaveRow {
        hasRow = try statement.step()
        mayHaveRow = hasRow
      }
      guard let change = changes.first else { return hasRow ? try takeRow() : nil }
      if hasRow {
        let order = try change.lend { key, _ in statement.bytes(0).order(key) }
        if order < 0 { return try takeRow() }
        if order == 0 { hasRow = false }
      }
      changes.removeFirst()
      if let entry = change.entry { return entry }
    }
  }

  private func takeRow() throws(SQLiteError) -> StoreEntry {
    hasRow = false
    let key = statement.bytes(0), value = statement.bytes(1), revision = UInt64(statement.number(2))
    guard StoreChecksum.of(key, value, revision: revision) == statement.number(3) else {
      throw StoreDatabase.damagedEntry
    }
    return StoreEntry(key: Array(key), value: Array(value), revision: revision)
  }
}

/// Keys from `from` up to but not including `to`, or to the end if that is empty; `limit` 0 is no limit.
package struct StoreRange: Sendable {
  package var from: [UInt8]
  package var to: [UInt8]
  package var limit: UInt64

  package init(from: [UInt8] = [], to: [UInt8] = [], limit: UInt64 = 0) {
    self.from = from
    self.to = to
    self.limit = limit
  }

  var isEverything: Bool { from.isEmpty && to.isEmpty }

  func contains(_ key: some Collection<UInt8>) -> Bool {
    // Most are far away.
    if let first = key.first, let least = from.first, first < least { return false }
    return !key.lexicographicallyPrecedes(from) && (to.isEmpty || key.lexicographicallyPrecedes(to))
  }
}
