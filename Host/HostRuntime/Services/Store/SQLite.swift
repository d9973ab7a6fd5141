import CNodeABI
import CSQLite

/// What SQLite said when something failed.
struct SQLiteError: Error {
  /// The extended code, which tells a failed sync from a failed write.
  var code: Int32
  var message: String

  var status: nh_status {
    switch code & 0xFF {
    case SQLITE_FULL, SQLITE_NOMEM, SQLITE_TOOBIG: NH_RESOURCE_EXHAUSTED
    case SQLITE_BUSY, SQLITE_LOCKED: NH_UNAVAILABLE
    case SQLITE_CANTOPEN, SQLITE_PERM, SQLITE_READONLY, SQLITE_AUTH: NH_FAILED_PRECONDITION
    default: NH_DATA_LOSS
    }
  }

  /// Whether the same connection may be used on. Not after a write or a sync that failed: what the kernel then
  /// holds in memory need not be what is on the disk, and a second sync may succeed without having written it.
  var isPassing: Bool {
    switch code & 0xFF {
    case SQLITE_OK, SQLITE_FULL, SQLITE_NOMEM, SQLITE_TOOBIG, SQLITE_BUSY, SQLITE_LOCKED: true
    default: false
    }
  }
}

/// One connection to a file, for one thread.
final class SQLiteConnection {
  let handle: OpaquePointer
  /// Pages in the log after the last commit.
  private(set) var logPages = 0

  /// The file must be there, unless `creates`.
  init(_ path: String, creates: Bool = false) throws(SQLiteError) {
    var opened: OpaquePointer?
    let flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | (creates ? SQLITE_OPEN_CREATE : 0)
    let code = sqlite3_open_v2(path, &opened, flags, nil)
    guard code == SQLITE_OK, let opened else {
      let message = opened.map { String(cString: sqlite3_errmsg($0)) } ?? "no memory"
      sqlite3_close_v2(opened)
      throw SQLiteError(code: code, message: message)
    }
    handle = opened
  }

  /// Statements keep it open until they go.
  deinit { sqlite3_close_v2(handle) }

  var error: SQLiteError {
    SQLiteError(code: sqlite3_extended_errcode(handle), message: String(cString: sqlite3_errmsg(handle)))
  }

  func run(_ sql: String) throws(SQLiteError) {
    guard sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK else { throw error }
  }

  /// The first column of the first row.
  func text(_ sql: String) throws(SQLiteError) -> String {
    let statement = try SQLiteStatement(self, sql)
    return try statement.step() ? statement.text(0) : ""
  }

  func number(_ sql: String) throws(SQLiteError) -> Int64 {
    let statement = try SQLiteStatement(self, sql)
    return try statement.step() ? statement.number(0) : 0
  }

  func countLogPages() {
    sqlite3_wal_hook(
      handle,
      { context, _, _, pages in
        Unmanaged<SQLiteConnection>.fromOpaque(context!).takeUnretainedValue().logPages = Int(pages)
        return SQLITE_OK
      }, Unmanaged.passUnretained(self).toOpaque())
  }

  /// Copies the log into the file and syncs that. `truncates`: waits for those who read, and empties the log.
  func checkpoint(truncates: Bool = false) throws(SQLiteError) {
    let mode = truncates ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE
    guard sqlite3_wal_checkpoint_v2(handle, nil, mode, nil, nil) == SQLITE_OK else { throw error }
    logPages = 0
  }
}

/// A prepared statement, used again and again.
final class SQLiteStatement {
  private let handle: OpaquePointer
  private let connection: SQLiteConnection

  init(_ connection: SQLiteConnection, _ sql: String) throws(SQLiteError) {
    var prepared: OpaquePointer?
    let flags = UInt32(SQLITE_PREPARE_PERSISTENT)
    guard sqlite3_prepare_v3(connection.handle, sql, -1, flags, &prepared, nil) == SQLITE_OK, let prepared else {
      throw connection.error
    }
    handle = prepared
    self.connection = connection
  }

  deinit { sqlite3_finalize(handle) }

  /// The bytes must stay until `reset`. Without an address SQLite would take them for NULL.
  func bind(_ place: Int32, _ bytes: UnsafeRawBufferPointer) {
    if bytes.isEmpty {
      sqlite3_bind_zeroblob(handle, place, 0)
    } else {
      sqlite3_bind_blob64(handle, place, bytes.baseAddress, UInt64(bytes.count), nil)
    }
  }

  func bind(_ place: Int32, _ number: Int64) { sqlite3_bind_int64(handle, place, number) }

  /// Whether there is a row.
  func step() throws(SQLiteError) -> Bool {
    switch sqlite3_step(handle) {
    case SQLITE_ROW: return true
    case SQLITE_DONE: return false
    default: throw connection.error
    }
  }

  func reset() { sqlite3_reset(handle) }

  /// Runs to the end.
  func run() throws(SQLiteError) {
    defer { reset() }
    _ = try step()
  }

  func number(_ column: Int32) -> Int64 { sqlite3_column_int64(handle, column) }

  func text(_ column: Int32) -> String { sqlite3_column_text(handle, column).map { String(cString: $0) } ?? "" }

  /// Valid until the next step or reset.
  func bytes(_ column: Int32) -> UnsafeRawBufferPointer {
    let start = sqlite3_column_blob(handle, column)
    return UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(handle, column)))
  }
}
