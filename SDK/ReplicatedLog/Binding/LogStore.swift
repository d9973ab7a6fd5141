internal import NodeKit

/// A member's part of the role's store:
///
///     PREFIX e INDEX          an entry
///     PREFIX p                the promise: term, vote, run
///     PREFIX s                the head of the snapshot
///     PREFIX t INDEX PIECE    its bytes
///
/// with indices as eight bytes, the greatest first, so that their order is that of numbers.
final class LogStore {
  struct Content {
    var promise = Promise()
    var snapshot: Snapshot?
    var log = EntryList()
  }

  /// The store takes values of 16 MiB.
  private static let pieceSize = 4 << 20
  /// Old entries that one commit takes away. The rest has time.
  private static let cleanLimit = 2_000

  private let store: Store
  private let prefix: [UInt8]
  /// The promise's key was last written by this commit. A build that comes back after a swap was undone has an older
  /// one, and its commits are refused: what it knows is not what the store has.
  private var promiseRevision: UInt64 = 0
  /// The oldest entry that the store may have.
  private var oldest: UInt64 = 1
  private var snapshot: SnapshotHead?

  init(_ store: Store, prefix: String) {
    self.store = store
    self.prefix = Array(prefix.utf8)
  }

  // MARK: Reading

  /// Reads all of it, as of one moment.
  func read(then done: @escaping (Result<Content, RoleError>) throws -> Void) throws {
    var found = Found()
    try store.scan(prefix: prefix) { [prefix] (stored: Stored<[UInt8]>) in
      found.add(stored.key.dropFirst(prefix.count), stored.value, stored.revision)
    } then: { [self] result in
      do {
        _ = try result.get()
        let content = try found.content()
        promiseRevision = found.promiseRevision
        oldest = found.entries.first?.index ?? content.log.firstIndex
        snapshot = content.snapshot.map { SnapshotHead($0) }
        try done(.success(content))
      } catch is MalformedBytes {
        let place = String(decoding: prefix, as: UTF8.self)
        try done(.failure(RoleError(.dataLoss, "what the store has under \(place) is no log of this version")))
      } catch let error as RoleError {
        try done(.failure(error))
      }
    }
  }

  // MARK: Writing

  /// Does it all or nothing. ``Status/aborted``: somebody else has written.
  func commit(_ write: Write, then done: @escaping (Result<Void, RoleError>) throws -> Void) throws {
    let cleaned = cleanable(write)
    try store.commit { commit in
      commit.expect(key("p"), revision: promiseRevision)
      if let promise = write.promise { commit.put(key("p"), promise.record) }
      if let snapshot = write.snapshot { put(snapshot, &commit) }
      for (offset, entry) in write.entries.enumerated() {
        commit.put(key("e", write.first + UInt64(offset)), entry.record)
      }
      if let stale = write.stale { for index in stale { commit.delete(key("e", index)) } }
      for index in cleaned { commit.delete(key("e", index)) }
    } then: { [self] result in
      switch result {
      case .success(let revision):
        if write.promise != nil { promiseRevision = revision }
        if let new = write.snapshot { snapshot = SnapshotHead(new) }
        oldest = max(oldest, cleaned.upperBound)
        try done(.success(()))
      case .failure(let error): try done(.failure(error))
      }
    }
  }

  /// Entries that the snapshot stands for, once it is on the disk.
  private func cleanable(_ write: Write) -> Range<UInt64> {
    guard let snapshot, oldest <= snapshot.index else { return oldest..<oldest }
    return oldest..<min(snapshot.index + 1, oldest + UInt64(Self.cleanLimit))
  }

  private func put(_ new: Snapshot, _ commit: inout StoreCommit) {
    if let old = snapshot, old.index != new.index {
      for piece in 0..<Self.pieces(old.size) { commit.delete(key("t", old.index, UInt32(piece))) }
    }
    commit.put(key("s"), SnapshotHead(new).record)
    for piece in 0..<Self.pieces(new.bytes.count) {
      let start = piece * Self.pieceSize
      commit.put(
        key("t", new.index, UInt32(piece)), [UInt8](new.bytes[start..<min(start + Self.pieceSize, new.bytes.count)]))
    }
  }

  private static func pieces(_ size: Int) -> Int { (size + pieceSize - 1) / pieceSize }

  private func key(_ kind: Unicode.Scalar, _ index: UInt64? = nil, _ piece: UInt32? = nil) -> [UInt8] {
    var key = prefix
    key.append(UInt8(ascii: kind))
    if let index { withUnsafeBytes(of: index.bigEndian) { key.append(contentsOf: $0) } }
    if let piece { withUnsafeBytes(of: piece.bigEndian) { key.append(contentsOf: $0) } }
    return key
  }
}

/// What a scan brings, in the order of the keys.
private struct Found {
  var promise: [UInt8]?
  var promiseRevision: UInt64 = 0
  var head: [UInt8]?
  var pieces: [(index: UInt64, bytes: [UInt8])] = []
  var entries: [(index: UInt64, record: [UInt8])] = []

  mutating func add(_ key: ArraySlice<UInt8>, _ value: [UInt8], _ revision: UInt64) {
    switch key.first.map({ Unicode.Scalar($0) }) {
    case "p": (promise, promiseRevision) = (value, revision)
    case "s": head = value
    case "e": if let index = Self.index(key) { entries.append((index, value)) }
    case "t": if let index = Self.index(key) { pieces.append((index, value)) }
    default: break
    }
  }

  private static func index(_ key: ArraySlice<UInt8>) -> UInt64? {
    guard key.count >= 9 else { return nil }
    return key.dropFirst().prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
  }

  func content() throws(MalformedBytes) -> LogStore.Content {
    var content = LogStore.Content()
    if let promise { content.promise = try Promise(record: promise) }
    if let head {
      let head = try SnapshotHead(record: head)
      let bytes = pieces.filter { $0.index == head.index }.flatMap(\.bytes)
      guard bytes.count == head.size else { throw MalformedBytes() }
      content.snapshot = Snapshot(index: head.index, term: head.term, bytes: bytes)
      content.log = EntryList(baseIndex: head.index, baseTerm: head.term)
    }
    for (index, record) in entries where index > content.log.baseIndex {
      guard index == content.log.lastIndex + 1 else { throw MalformedBytes() }
      content.log.append(try Entry(record: record))
    }
    return content
  }
}
