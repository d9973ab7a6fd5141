import CNodeABI
import CSQLite
import Glibc

/// A role's store: a SQLite file, and a journal of what has been committed since that was last changed. What is written
/// and read there, without threads or waiting.
///
/// A commit takes one write and one sync of the journal, and stays in memory. When the journal is full, all that it
/// says goes into the file in one transaction, in the order of the keys: a page of the file is written once for many
/// commits, mostly behind the answers. What a kill leaves in the journal goes into the file at the next start.
final class StoreDatabase {
  /// The log is copied into the file when it has so many pages of 4 KiB. More make fewer copies, and a longer start
  /// after a kill.
  static let logPageLimit = 4096
  /// Changes that do not stand in the file when a scan begins, which looks at each of them.
  private static let scanLimit = 512
  /// Room for the log that is kept when a long read has made it grow.
  private static let logSizeLimit = 64 << 20
  private static let cacheKilobytes = 8192
  private static let knownLimit = 64
  /// Who looks at the file with another program may hold it for so long.
  private static let busyMilliseconds = 1000
  /// "nhst": tells SQLite's own `file` and other programs whose it is.
  private static let applicationID = 0x6E68_7374
  /// The first had no journal, and would not look for one.
  private static let formatVersion = 2

  let path: String
  private let connection: SQLiteConnection
  private let begin: SQLiteStatement
  private let commit: SQLiteStatement
  private let rollback: SQLiteStatement
  private let revisionOf: SQLiteStatement
  private let putting: SQLiteStatement
  private let deleting: SQLiteStatement
  private let getting: SQLiteStatement
  private let counting: SQLiteStatement
  private let journal: StoreJournal
  /// What stands in the journal and not in the file.
  private(set) var changes = StoreChanges()
  private var record = StoreRecord()
  /// Of keys that somebody expects something of, as the file has them: whoever does, does so with each commit.
  private var known: [StoredKey: UInt64] = [:]
  /// The last commit's.
  private(set) var revision: Int64

  enum Outcome {
    case done(revision: UInt64)
    case unmet(key: [UInt8])
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
    counting = try SQLiteStatement(connection, "UPDATE counter SET revision = ?1")
    journal = StoreJournal(Self.journal(of: path))
    revision = try connection.number("SELECT revision FROM counter")
    try recover()
    connection.countLogPages()
  }

  /// What a killed process left may stand in memory only. It must be on disk before anybody reads of it.
  private func recover() throws(SQLiteError) {
    for change in try StoreJournal.left(at: journal.path, after: revision) {
      changes.set(change)
      revision = Int64(change.revision)
    }
    try flush()
    try connection.checkpoint(truncates: true)
    journal.remove()
  }

  static func journal(of path: String) -> String { "\(path)-commits" }

  private static func create(_ path: String) throws(SQLiteError) {
    for left in ["\(path)-wal", journal(of: path)] where access(left, F_OK) == 0 {
      throw SQLiteError(code: SQLITE_CORRUPT, message: "the file is missing, and its log \(left) is there")
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
        CREATE TABLE counter (revision INTEGER NOT NULL) STRICT;
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
    guard 1...formatVersion ~= Int(version) else {
      throw SQLiteError(
        code: SQLITE_CANTOPEN, message: "its format is \(version), and this nodehost knows \(formatVersion)")
    }
    let verdict = try connection.text("PRAGMA quick_check(1)")
    guard verdict == "ok" else { throw SQLiteError(code: SQLITE_CORRUPT, message: verdict) }
    if version == 1 {
      let renaming = "ALTER TABLE counter RENAME COLUMN set_aside TO revision"
      try connection.run("BEGIN; \(renaming); PRAGMA user_version = \(formatVersion); COMMIT")
    }
    let mode = try connection.text("PRAGMA journal_mode = WAL")
    guard mode == "wal" else {
      throw SQLiteError(code: SQLITE_CANTOPEN, message: "its folder does not allow a shared log (journal_mode \(mode))")
    }
  }

  // MARK: Writing

  /// Does all commits in their order with one sync. An unmet expectation undoes its own commit only; an error all.
  func run(_ commits: [StoreCommit]) throws(SQLiteError) -> [Outcome] {
    let before = revision
    changes.beginBatch()
    do {
      try journal.open()
      let goesToJournal = journal.hasRoom(for: StoreRecord.size(of: commits))
      if goesToJournal { record.begin(journal.salt, after: revision) }
      var outcomes: [Outcome] = []
      outcomes.reserveCapacity(commits.count)
      for commit in commits { outcomes.append(try run(commit, goesToJournal)) }
      guard revision > before else { return outcomes }
      if goesToJournal { try journal.append(record.ended()) } else { try flush() }
      return outcomes
    } catch {
      revision = before
      changes.undoBatch()
      throw error
    }
  }

  /// Expectations are about what was there before the commit, wherever they stand in its list.
  private func run(_ commit: StoreCommit, _ goesToJournal: Bool) throws(SQLiteError) -> Outcome {
    var last = -1
    for (place, operation) in commit.operations.enumerated() {
      guard operation.kind == NH_STORE_EXPECT else {
        last = place
        continue
      }
      let key = StoredKey(block: commit.bytes, start: operation.keyStart, end: operation.valueStart)
      if try revision(of: key) != operation.revision { return .unmet(key: commit.key(operation)) }
    }
    guard last >= 0 else { return .done(revision: UInt64(revision)) }
    revision += 1
    for (place, operation) in commit.operations.enumerated() where operation.kind != NH_STORE_EXPECT {
      let change = StoreChange(
        block: commit.bytes, keyStart: operation.keyStart, valueStart: operation.valueStart, end: operation.end,
        isDeletion: operation.kind == NH_STORE_DELETE, revision: UInt64(revision))
      changes.set(change)
      if goesToJournal { record.add(change, endsCommit: place == last) }
    }
    return .done(revision: UInt64(revision))
  }

  /// 0 if the key is not there.
  private func revision(of key: StoredKey) throws(SQLiteError) -> UInt64 {
    if let change = changes[key] { return change.isDeletion ? 0 : change.revision }
    if let known = known[key] { return known }
    let found = try key.lend { key throws(SQLiteError) in
      defer { revisionOf.reset() }
      revisionOf.bind(1, key)
      return try revisionOf.step() ? UInt64(revisionOf.number(0)) : 0
    }
    if known.count == Self.knownLimit { known.removeAll() }
    known[StoredKey(Array(key.bytes))] = found
    return found
  }

  /// Everything goes into the file with one sync, and the journal begins anew.
  func flush() throws(SQLiteError) {
    guard !changes.isEmpty else { return }
    do {
      try begin.run()
      for change in changes.inOrder { try write(change) }
      counting.bind(1, revision)
      try counting.run()
      try commit.run()
    } catch {
      // SQLite has undone it by itself after some errors, and then says that there is nothing to undo.
      try? rollback.run()
      throw error
    }
    changes.removeAll()
    known.removeAll(keepingCapacity: true)
    journal.restart()
  }

  private func write(_ change: StoreChange) throws(SQLiteError) {
    try change.lend { key, value throws(SQLiteError) in
      guard !change.isDeletion else {
        deleting.bind(1, key)
        return try deleting.run()
      }
      putting.bind(1, key)
      putting.bind(2, value)
      putting.bind(3, Int64(change.revision))
      putting.bind(4, StoreChecksum.of(key, value, revision: change.revision))
      try putting.run()
    }
  }

  /// Brings the file up to date when the journal is nearly full, or holds more than a scan is to look through; and
  /// copies SQLite's log into it when that has grown long enough.
  func tidy(forScan: Bool = false) throws(SQLiteError) {
    do throws(SQLiteError) {
      if journal.isNearlyFull || forScan && changes.count > Self.scanLimit { try flush() }
      if connection.logPages >= Self.logPageLimit { try connection.checkpoint() }
    } catch {
      // There is no room for it now; the journal and the log serve meanwhile.
      guard error.isPassing else { throw error }
    }
  }

  /// The file is about to be closed, and nothing has failed: it then has everything.
  func end() throws(SQLiteError) {
    try flush()
    journal.remove()
  }

  // MARK: Reading

  func get(_ key: [UInt8]) throws(SQLiteError) -> StoreEntry? {
    if let change = changes[StoredKey(key)] { return change.entry }
    return try StoredKey(key).lend { key throws(SQLiteError) in
      defer { getting.reset() }
      getting.bind(1, key)
      guard try getting.step() else { return nil }
      let value = getting.bytes(0), revision = UInt64(getting.number(1))
      guard StoreChecksum.of(key, value, revision: revision) == getting.number(2) else {
        throw Self.damagedEntry
      }
      return StoreEntry(key: Array(key), value: Array(value), revision: revision)
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
