import CSQLite

/// A batch of commits as it stands in the journal:
///
///     salt u64 · revision before the batch u64 · checksum u64 · bytes of the operations u32 · 0 u32 · operations
///     operation: flags u16 · bytes of the key u16 · bytes of the value u32 · key · value
///
/// Numbers are little-endian. The checksum is of all the rest. Records begin at multiples of eight, so that those
/// behind a damaged one can be found. The salt is the journal's own: nobody can store a value that passes for a record.
struct StoreRecord {
  static let headerSize = 32
  static let operationSize = 8
  private static let sumPlace = 16
  private static let lengthPlace = 24
  private static let deletes: UInt16 = 1
  /// The next operation belongs to another commit, and has the next revision.
  private static let endsCommit: UInt16 = 2

  private var bytes: [UInt8] = []

  /// At most so many bytes.
  static func size(of commits: [StoreCommit]) -> Int {
    commits.reduce(headerSize + 8) { $0 + $1.bytes.count + operationSize * $1.operations.count }
  }

  // MARK: Writing

  mutating func begin(_ salt: UInt64, after revision: Int64) {
    bytes.removeAll(keepingCapacity: true)
    for number in [salt, UInt64(revision), 0, 0] { append(number) }
  }

  mutating func add(_ change: StoreChange, endsCommit: Bool) {
    append((change.isDeletion ? Self.deletes : 0) | (endsCommit ? Self.endsCommit : 0))
    append(UInt16(change.valueStart - change.keyStart))
    append(UInt32(change.end - change.valueStart))
    bytes += change.block[change.keyStart..<change.end]
  }

  /// Its bytes, which are whole now.
  mutating func ended() -> [UInt8] {
    bytes += repeatElement(0, count: -bytes.count & 7)
    store(UInt32(bytes.count - Self.headerSize), at: Self.lengthPlace)
    store(bytes.withUnsafeBytes(Self.sum), at: Self.sumPlace)
    return bytes
  }

  /// A record of these operations, whatever they are.
  static func sealed(_ operations: [UInt8], salt: UInt64, after revision: Int64) -> [UInt8] {
    var record = StoreRecord()
    record.begin(salt, after: revision)
    record.bytes += operations
    return record.ended()
  }

  private mutating func append<T: FixedWidthInteger>(_ number: T) {
    withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
  }

  private mutating func store<T: FixedWidthInteger & BitwiseCopyable>(_ number: T, at place: Int) {
    bytes.withUnsafeMutableBytes { $0.storeBytes(of: number.littleEndian, toByteOffset: place, as: T.self) }
  }

  private static func sum(_ record: UnsafeRawBufferPointer) -> UInt64 {
    let head = UnsafeRawBufferPointer(rebasing: record[..<sumPlace])
    let rest = UnsafeRawBufferPointer(rebasing: record[lengthPlace...])
    return UInt64(bitPattern: StoreChecksum.of(head, rest, revision: 0))
  }

  // MARK: Reading

  /// What the records at the start of a journal say that follow on `revision`, one on the other.
  ///
  /// They end where one was being written when the node died, or where those begin that are older than the file: the
  /// journal is written over from its start. A newer one behind that end says that the disk has lost what stood there.
  static func changes(in journal: [UInt8], _ salt: UInt64, after revision: Int64) throws(SQLiteError) -> [StoreChange] {
    var changes: [StoreChange] = [], place = 0, revision = UInt64(revision)
    while let record = header(journal, salt, at: place), record.before == revision {
      try read(journal[place + headerSize..<record.end], &revision, &changes)
      place = record.end
    }
    while place < journal.count {
      if let record = header(journal, salt, at: place), record.before >= revision { throw StoreJournal.damage }
      place += 8
    }
    return changes
  }

  /// Nil if no whole record begins there.
  private static func header(_ journal: [UInt8], _ salt: UInt64, at place: Int) -> (before: UInt64, end: Int)? {
    journal.withUnsafeBytes { all in
      guard place + headerSize <= all.count, all.number(at: place, UInt64.self) == salt else { return nil }
      let end = place + headerSize + Int(all.number(at: place + lengthPlace, UInt32.self))
      guard end <= all.count, end & 7 == 0 else { return nil }
      let record = UnsafeRawBufferPointer(rebasing: all[place..<end])
      guard sum(record) == record.number(at: sumPlace, UInt64.self) else { return nil }
      return (record.number(at: 8, UInt64.self), end)
    }
  }

  private static func read(
    _ operations: ArraySlice<UInt8>, _ revision: inout UInt64, _ changes: inout [StoreChange]
  ) throws(SQLiteError) {
    let block = Array(operations)
    var place = 0
    while place + operationSize <= block.count {
      let head = block.withUnsafeBytes { bytes in
        (
          flags: bytes.number(at: place, UInt16.self), key: Int(bytes.number(at: place + 2, UInt16.self)),
          value: Int(bytes.number(at: place + 4, UInt32.self))
        )
      }
      let key = place + operationSize, value = key + head.key
      place = value + head.value
      guard place <= block.count else { throw StoreJournal.damage }
      changes.append(
        StoreChange(
          block: block, keyStart: key, valueStart: value, end: place, isDeletion: head.flags & deletes != 0,
          revision: revision + 1))
      if head.flags & endsCommit != 0 { revision += 1 }
    }
  }
}

extension UnsafeRawBufferPointer {
  func number<T: FixedWidthInteger & BitwiseCopyable>(at place: Int, _: T.Type) -> T {
    T(littleEndian: loadUnaligned(fromByteOffset: place, as: T.self))
  }
}
