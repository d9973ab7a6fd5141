import CSQLite
import Glibc

/// What has been promised to be on disk and does not stand in the store's file yet: a record for each batch of commits,
/// written and synced before anybody is told.
///
/// A sync is nearly all that it costs. The file has its length and its bytes from the beginning, so that the file
/// system has nothing else to record; and the tree of the store's file is changed later, for many commits at once. When
/// everything stands in that file, the journal is written over from its start.
///
/// One store at a time uses it: in a process `Stores` sees to that, and between processes the lock of the node's state.
final class StoreJournal {
  /// More makes fewer and larger changes of the file, a longer start after a kill, and takes memory: what stands here
  /// is in memory too.
  static let size = 1 << 20
  /// What is left when the file is better brought up to date, behind the answers, than in front of the next ones.
  private static let reserve = 128 << 10
  private static let magic: UInt64 = 0x3167_6F6C_7473_686E  // "nhstlog1"
  private static let headerSize = 24
  /// The kernel keeps as one what was written as one, and goes through all blocks of that for each record.
  private static let pieceSize = 16 << 10
  /// A longer one is not read: it is none of ours.
  private static let sizeLimit = 64 << 20

  static let damage = SQLiteError(
    code: SQLITE_CORRUPT, message: "its journal is damaged: commits are missing in it, or in the file")

  let path: String
  private(set) var salt: UInt64 = 0
  /// Negative before the first record.
  private var descriptor: Int32 = -1
  private var place = StoreJournal.headerSize

  init(_ path: String) { self.path = path }

  deinit { if descriptor >= 0 { close(descriptor) } }

  func hasRoom(for size: Int) -> Bool { place + size <= Self.size }
  var isNearlyFull: Bool { place + Self.reserve > Self.size }

  // MARK: Writing

  /// Returns when the record is on disk. What fails before the sync has not happened; after a sync that failed nobody
  /// knows.
  func append(_ record: [UInt8]) throws(SQLiteError) {
    try write(record, at: place)
    guard fdatasync(descriptor) == 0 else { throw Self.error(SQLITE_IOERR, "cannot be synced") }
    place += record.count
  }

  /// Everything that it says stands in the file, synced.
  func restart() { place = Self.headerSize }

  /// The same, and nothing more will be written.
  func remove() { unlink(path) }

  private func write(_ bytes: [UInt8], at place: Int) throws(SQLiteError) {
    var done = 0
    while done < bytes.count {
      let count = bytes.withUnsafeBytes { pwrite(descriptor, $0.baseAddress! + done, bytes.count - done, place + done) }
      if count < 0, errno == EINTR { continue }
      guard count >= 0 else { throw Self.failure("cannot be written") }
      done += count
    }
  }

  /// What the system has just refused, and why. Some file systems tell only at a sync that they are full.
  private static func failure(_ what: String, otherwise code: Int32 = SQLITE_IOERR) -> SQLiteError {
    error(errno == ENOSPC || errno == EDQUOT ? SQLITE_FULL : code, what)
  }

  private static func error(_ code: Int32, _ what: String) -> SQLiteError {
    SQLiteError(code: code, message: "its journal \(what): \(systemError())")
  }

  // MARK: Opening

  /// Makes it when it is first needed.
  func open() throws(SQLiteError) {
    guard descriptor < 0 else { return }
    // Under another name until it is whole: one without its head is damaged.
    let new = "\(path).new"
    descriptor = Glibc.open(new, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw Self.failure("cannot be made", otherwise: SQLITE_CANTOPEN) }
    do throws(SQLiteError) {
      salt = UInt64.random(in: 1 ... .max)
      let head = Self.head(salt)
      try write(head + [UInt8](repeating: 0, count: Self.pieceSize - head.count), at: 0)
      let zeros = [UInt8](repeating: 0, count: Self.pieceSize)
      for place in stride(from: Self.pieceSize, to: Self.size, by: Self.pieceSize) { try write(zeros, at: place) }
      let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
      guard fsync(descriptor) == 0, rename(new, path) == 0, syncFolder(folder) else {
        throw Self.failure("cannot be made")
      }
    } catch {
      close(descriptor)
      descriptor = -1
      // It may be what a full disk has no room for.
      unlink(new)
      throw error
    }
  }

  /// What the one says that a killed node has left, beyond `revision`; nothing if there is none.
  static func left(at path: String, after revision: Int64) throws(SQLiteError) -> [StoreChange] {
    guard let all = readFile(path, limit: sizeLimit) else {
      if errno == ENOENT { return [] }
      throw error(SQLITE_CANTOPEN, "cannot be read")
    }
    // It got its name when it had all its bytes.
    guard all.count == size else { throw damage }
    return try changes(in: all, after: revision)
  }

  static func changes(in journal: [UInt8], after revision: Int64) throws(SQLiteError) -> [StoreChange] {
    let salt = try salt(of: journal)
    return try StoreRecord.changes(in: Array(journal[headerSize...]), salt, after: revision)
  }

  static func head(_ salt: UInt64) -> [UInt8] {
    [magic, salt, salt ^ magic].flatMap { withUnsafeBytes(of: $0.littleEndian, Array.init) }
  }

  private static func salt(of journal: [UInt8]) throws(SQLiteError) -> UInt64 {
    guard journal.count >= headerSize else { throw damage }
    let (magic, salt, sum) = journal.withUnsafeBytes {
      ($0.number(at: 0, UInt64.self), $0.number(at: 8, UInt64.self), $0.number(at: 16, UInt64.self))
    }
    guard magic == Self.magic, sum == salt ^ magic else { throw damage }
    return salt
  }
}
