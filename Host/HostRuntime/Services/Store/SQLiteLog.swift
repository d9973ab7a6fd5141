import CSQLite

/// Room in the log before it is needed.
///
/// A sync of bytes that a file had before takes about half as long as one of bytes behind its end, for which the file
/// system also has to record the new length. So the log is made longer ahead of what is written, many pages at a time,
/// after those who wait have been answered.
extension SQLiteConnection {
  private static let pageSize: Int64 = 4096
  private static let headerSize: Int64 = 32
  private static let frameSize: Int64 = 24 + pageSize
  private static let pieceSize = 64 << 10

  /// Writes zeros from the log's end on until it has room for so many pages, and syncs them. SQLite reads no further
  /// than what it has written itself, and a log that is read after a kill ends where a page's checksum does not fit.
  func growLog(to pages: Int) throws(SQLiteError) {
    var log: UnsafeMutablePointer<sqlite3_file>?
    guard sqlite3_file_control(handle, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK, let log,
      let methods = log.pointee.pMethods?.pointee
    else { return }
    var length: sqlite3_int64 = 0
    try check(methods.xFileSize(log, &length))
    let end = Self.headerSize + Int64(pages) * Self.frameSize
    guard length < end else { return }
    let zeros = [UInt8](repeating: 0, count: Self.pieceSize)
    while length < end {
      let count = Int32(min(end - length, Int64(zeros.count)))
      try check(methods.xWrite(log, zeros, count, length))
      length += Int64(count)
    }
    try check(methods.xSync(log, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY))
  }

  private func check(_ code: Int32) throws(SQLiteError) {
    guard code != SQLITE_OK else { return }
    throw SQLiteError(code: code, message: "the log cannot be made longer: \(String(cString: sqlite3_errstr(code)))")
  }
}
