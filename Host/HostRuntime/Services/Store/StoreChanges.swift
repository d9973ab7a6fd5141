import Glibc

/// The last write of a key. Key and value stay in the block of memory in which they came.
struct StoreChange: Sendable {
  let block: [UInt8]
  let keyStart: Int
  let valueStart: Int
  let end: Int
  let isDeletion: Bool
  let revision: UInt64

  var key: StoredKey { StoredKey(block: block, start: keyStart, end: valueStart) }
  /// Nil when the key is gone.
  var entry: StoreEntry? {
    if isDeletion { return nil }
    return StoreEntry(
      key: Array(block[keyStart..<valueStart]), value: Array(block[valueStart..<end]), revision: revision)
  }
}

extension StoreChange {
  func lend<R>(
    _ body: (_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(SQLiteError) -> R
  ) throws(SQLiteError) -> R {
    try block.lend { block throws(SQLiteError) in
      try body(
        UnsafeRawBufferPointer(rebasing: block[keyStart..<valueStart]),
        UnsafeRawBufferPointer(rebasing: block[valueStart..<end]))
    }
  }
}

extension [UInt8] {
  /// `withUnsafeBytes`, which does not carry the type of what is thrown.
  func lend<R>(_ body: (UnsafeRawBufferPointer) throws(SQLiteError) -> R) throws(SQLiteError) -> R {
    let outcome: Result<R, SQLiteError> = withUnsafeBytes { bytes in
      Result { () throws(SQLiteError) in try body(bytes) }
    }
    return try outcome.get()
  }
}

/// A key, wherever it stands.
struct StoredKey: Hashable, Comparable, Sendable {
  let block: [UInt8]
  let start: Int
  let end: Int

  init(block: [UInt8], start: Int, end: Int) { (self.block, self.start, self.end) = (block, start, end) }
  init(_ key: [UInt8]) { self.init(block: key, start: 0, end: key.count) }

  var bytes: ArraySlice<UInt8> { block[start..<end] }

  func lend<R>(_ body: (UnsafeRawBufferPointer) throws(SQLiteError) -> R) throws(SQLiteError) -> R {
    try block.lend { block throws(SQLiteError) in try body(UnsafeRawBufferPointer(rebasing: block[start..<end])) }
  }

  func hash(into hasher: inout Hasher) {
    block.withUnsafeBytes { hasher.combine(bytes: UnsafeRawBufferPointer(rebasing: $0[start..<end])) }
  }

  static func == (one: StoredKey, other: StoredKey) -> Bool { one.order(other) == 0 }
  static func < (one: StoredKey, other: StoredKey) -> Bool { one.order(other) < 0 }

  private func order(_ other: StoredKey) -> Int {
    block.withUnsafeBytes { mine in
      other.block.withUnsafeBytes { theirs in
        UnsafeRawBufferPointer(rebasing: mine[start..<end])
          .order(UnsafeRawBufferPointer(rebasing: theirs[other.start..<other.end]))
      }
    }
  }
}

extension UnsafeRawBufferPointer {
  /// Below 0 if these come first. As SQLite orders them: byte by byte, and the shorter first.
  func order(_ other: UnsafeRawBufferPointer) -> Int {
    guard let mine = baseAddress, let theirs = other.baseAddress else { return count - other.count }
    let order = memcmp(mine, theirs, Swift.min(count, other.count))
    return order == 0 ? count - other.count : Int(order)
  }
}

/// What has been written and does not stand in the store's file yet. What a batch does to it can be undone as long as
/// the next one has not begun.
struct StoreChanges {
  private var table: [StoredKey: StoreChange] = [:]
  private var undoing: [(key: StoredKey, before: StoreChange?)] = []

  var isEmpty: Bool { table.isEmpty }
  var count: Int { table.count }

  subscript(key: StoredKey) -> StoreChange? { table[key] }

  mutating func beginBatch() { undoing.removeAll(keepingCapacity: true) }

  mutating func set(_ change: StoreChange) {
    let key = change.key
    undoing.append((key, table.updateValue(change, forKey: key)))
  }

  mutating func undoBatch() {
    for (key, before) in undoing.reversed() { table[key] = before }
    beginBatch()
  }

  mutating func removeAll() {
    table.removeAll(keepingCapacity: true)
    beginBatch()
  }

  /// In the order of their keys.
  var inOrder: [StoreChange] { table.sorted { $0.key < $1.key }.map(\.value) }

  func inOrder(_ range: StoreRange) -> [StoreChange] {
    guard !range.isEverything else { return inOrder }
    return table.filter { range.contains($0.key.bytes) }.sorted { $0.key < $1.key }.map(\.value)
  }
}
