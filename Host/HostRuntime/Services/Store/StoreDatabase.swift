import CNodeABI
import CSQLite
import Glibc

/// A role's store as a SQLite file: what is written and read there, without threads or waiting.
///
/// The log (WAL) is synced at each commit, which takes one sync where a rollback journal takes three. What stands in
/// the log goes into the file in `tidy`, after those who wait have been answered.
final class StoreDatabase {
  /// The log is copied into the file when it has so many pages of 4 KiB. More make fewer copies, and a longer start
  /// after a kill.
  static let logPageLimit = 4096
  /// Pages by which the log is made longer at a time. More does so less often, and takes longer each time.
  static let logStep = 256
  /// Room for the log that is kept when a long read has made it grow.
  private static let logSizeLimit = 64 << 20
  private static let cacheKilobytes = 8192
  /// Who looks at the file with another program may hold it for so long.
  private static let busyMilliseconds = 1000
  /// "nhst": tells SQLite's own `file` and other programs whose it is.
  private static let applicationID = 0x6E68_7374
  private static let formatVersion = 1
  /// Revisions are set aside in blocks, so that not every commit writes the counter; a kill leaves a gap.
  private static let revisionBlock: Int64 = 1 << 20

  let path: String
  private let connection: SQLiteConnection
  private let begin: SQLiteStatement
  private let commit: SQLiteStatement
  private let rollback: SQLiteStatement
  private let revisionOf: SQLiteStatement
  private let putting: SQLiteStatement
  private let deleting: SQLiteStatement
  private let getting: SQLiteStatement
  private let settingAside: SQLiteStatement
  /// The last commit's.
  private(set) var revision: Int64
  private var setAside: Int64
  /// For so many pages the log has room; see `growLog`.
  private var roomyPages = 0

  enum Outcome {
    case done(revision: UInt64)
    case unmet(key: [UInt8])
  }

  struct Entry {
    var value: [UInt8]
    var revision: UInt64
  }

  /// Opens the file, which must be whole, or makes it.
  init(_ path: String) throws(SQLiteError) {
    self.path = path
    if access(path, F_OK) != 0 { try Self.create(path) }
    connection = try SQLiteConnection(path)
    try Self.configure(connection)
    try Self.check(connection)
    begin = try SQLiteStatement(connection, "BEGIN IMMEDIATE")
    commit = try SQLiteStatement(connection, "COMMIT")
    rollback = try SQLiteStatement(connection, "ROLLBACK")
    revisionOf = try SQLiteStatement(connection, "SELECT revision FROM entries WHERE key = ?1")
    putting = try SQLiteStatement(connection, "INSERT OR REPLACE INTO entries VALUES (?1, ?2, ?3, ?4)")
    deleting = try SQLiteStatement(connection, "DELETE FROM entries WHERE key = ?1")
    getting = try SQLiteStatement(connection, "SELECT value, revision, sum FROM entries WHERE key = ?1")
    settingAside = try SQLiteStatement(connection, "UPDATE counter SET set_aside = ?1")
    setAside = try connection.number("SELECT set_aside FROM counter")
    revision = setAside
    // A log that a killed process left may stand in memory only. It must be on disk before anybody reads of it.
    try connection.checkpoint(truncates: true)
    connection.countLogPages()
  }

  private static func create(_ path: String) throws(SQLiteError) {
    guard access("\(path)-wal", F_OK) != 0 else {
      throw SQLiteError(code: SQLITE_CORRUPT, message: "the file is missing, and its log \(path)-wal is there")
    }
    // Under another name until it is whole: an empty file of the right name is a damaged one.
    let new = "\(path).new"
    for file in [new, "\(new)-wal", "\(new)-shm", "\(new)-journal"] { unlink(file) }
    do {
      let connection = try SQLiteConnection(new, creates: true)
      try connection.run(
        """
        PRAGMA synchronous = FULL;
        PRAGMA journal_mode = WAL;
        BEGIN;
        CREATE TABLE entries (
          key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL, revision INTEGER NOT NULL, sum INTEGER NOT NULL
        ) WITHOUT ROWID, STRICT;
        CREATE TABLE counter (set_aside INTEGER NOT NULL) STRICT;
        INSERT INTO counter VALUES (0);
        PRAGMA application_id = \(applicationID);
        PRAGMA user_version = \(formatVersion);
        COMMIT;
        """)
      try connection.checkpoint(truncates: true)
    }
    let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    guard rename(new, path) == 0, syncFolder(folder) else {
      throw SQLiteError(code: SQLITE_IOERR, message: "cannot create it: \(systemError())")
    }
  }

  private static func configure(_ connection: SQLiteConnection) throws(SQLiteError) {
    sqlite3_busy_timeout(connection.handle, Int32(busyMilliseconds))
    try connection.run(
      """
      PRAGMA trusted_schema = OFF;
      PRAGMA cell_size_check = ON;
      PRAGMA synchronous = FULL;
      PRAGMA wal_autocheckpoint = 0;
      PRAGMA journal_size_limit = \(logSizeLimit);
      PRAGMA cache_size = -\(cacheKilobytes);
      """)
  }

  private static func check(_ connection: SQLiteConnection) throws(SQLiteError) {
    let id = try connection.number("PRAGMA application_id"), version = try connection.number("PRAGMA user_version")
    guard id == applicationID else { throw SQLiteError(code: SQLITE_NOTADB, message: "it is no store of nodehost") }
    guard version == formatVersion else {
      throw SQLiteError(
        code: SQLITE_CANTOPEN, message: "its format is \(version), and this nodehost knows \(formatVersion)")
    }
    let verdict = try connection.text("PRAGMA quick_check(1)")
    guard verdict == "ok" else { throw SQLiteError(code: SQLITE_CORRUPT, message: verdict) }
    let mode = try connection.text("PRAGMA journal_mode = WAL")
    guard mode == "wal" else {
      throw SQLiteError(code: SQLITE_CANTOPEN, message: "its folder does not allow a shared log (journal_mode \(mode))")
    }
  }

  // MARK: Writing

  /// Does all commits in their order with one sync. An unmet expectation undoes its own commit only; an error all.
  func run(_ commits: [StoreCommit]) throws(SQLiteError) -> [Outcome] {
    let before = (revision, setAside)
    do {
      try begin.run()
      var outcomes: [Outcome] = []
      outcomes.reserveCapacity(commits.count)
      for commit in commits { outcomes.append(try run(commit)) }
      try commit.run()
      return outcomes
    } catch {
      (revision, setAside) = before
      // SQLite has undone it by itself after some errors, and then says that there is nothing to undo.
      try? rollback.run()
      throw error
    }
  }

  /// Expectations are about what was there before the commit, wherever they stand in its list.
  private func run(_ commit: StoreCommit) throws(SQLiteError) -> Outcome {
    var writes = false
    for operation in commit.operations {
      guard operation.kind == NH_STORE_EXPECT else {
        writes = true
        continue
      }
      let found = try commit.withKey(operation, revision(of:))
      if found != operation.revision { return .unmet(key: commit.key(operation)) }
    }
    guard writes else { return .done(revision: UInt64(revision)) }
    try countUp()
    for operation in commit.operations where operation.kind != NH_STORE_EXPECT {
      try commit.withKey(operation) { key throws(SQLiteError) in
        guard operation.kind == NH_STORE_PUT else { return try delete(key) }
        try commit.withValue(operation) { value throws(SQLiteError) in try put(key, value) }
      }
    }
    return .done(revision: UInt64(revision))
  }

  private func countUp() throws(SQLiteError) {
    revision += 1
    guard revision > setAside else { return }
    setAside = revision + Self.revisionBlock
    settingAside.bind(1, setAside)
    try settingAside.run()
  }

  /// 0 if the key is not there.
  private func revision(of key: UnsafeRawBufferPointer) throws(SQLiteError) -> UInt64 {
    defer { revisionOf.reset() }
    revisionOf.bind(1, key)
    return try revisionOf.step() ? UInt64(revisionOf.number(0)) : 0
  }

  private func put(_ key: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) throws(SQLiteError) {
    putting.bind(1, key)
    putting.bind(2, value)
    putting.bind(3, revision)
    putting.bind(4, StoreChecksum.of(key, value, revision: UInt64(revision)))
    try putting.run()
  }

  private func delete(_ key: UnsafeRawBufferPointer) throws(SQLiteError) {
    deleting.bind(1, key)
    try deleting.run()
  }

  /// Copies the log into the file if it has grown long enough, and makes it longer ahead of what will be written.
  func tidy() throws(SQLiteError) {
    do throws(SQLiteError) {
      if connection.logPages >= Self.logPageLimit { return try connection.checkpoint() }
      guard connection.logPages + Self.logStep / 4 >= roomyPages, roomyPages < Self.logPageLimit else { return }
      let pages = min(connection.logPages + Self.logStep, Self.logPageLimit)
      try connection.growLog(to: pages)
      roomyPages = pages
    } catch {
      // There is no room for it now; the log serves meanwhile.
      guard error.isPassing else { throw error }
    }
  }

  /// The file is about to be closed, and nothing failed: no revision is left out.
  func end() {
    guard setAside > revision else { return }
    settingAside.bind(1, revision)
    try? settingAside.run()
  }

  // MARK: Reading

  func get(_ key: [UInt8]) throws(SQLiteError) -> Entry? {
    try key.lend { key throws(SQLiteError) in
      defer { getting.reset() }
      getting.bind(1, key)
      guard try getting.step() else { return nil }
      let value = getting.bytes(0), revision = UInt64(getting.number(1))
      guard StoreChecksum.of(key, value, revision: revision) == getting.number(2) else {
        throw Self.damagedEntry
      }
      return Entry(value: Array(value), revision: revision)
    }
  }

  /// One value is damaged; the others may be well, so this does not close the store.
  static let damagedEntry = SQLiteError(
    code: SQLITE_OK, message: "the entry's checksum does not fit: the disk has changed it")

  /// A connection of its own, for a read that lasts.
  func reader() throws(SQLiteError) -> SQLiteConnection {
    let connection = try SQLiteConnection(path)
    try Self.configure(connection)
    try connection.run("PRAGMA query_only = ON")
    return connection
  }
}
