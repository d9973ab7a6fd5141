import CNodeABI
import CSystem
import Glibc
import HostCore
import Synchronization

/// A file with a line of JSON for each request. Loops only add to a buffer; a thread of the log's own writes it, so
/// that no request waits for a disk.
final class AccessLog: @unchecked Sendable {
  /// More than this waiting for a slow disk, and lines are left out.
  private static let bufferLimit = 4 << 20
  private static let mode: mode_t = 0o640

  private struct State {
    var waiting: [UInt8] = []
    var leftOut = 0
    /// A file that was opened for the thread to go on with.
    var fresh: Int32?
    var isEnding = false
  }
  private let path: String
  private let log: LogHub
  private let state = Mutex(State())
  private let hasLines = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
  private var thread: OwnThread?

  init(_ path: String, _ log: LogHub) throws(NetworkFailure) {
    self.path = path
    self.log = log
    sem_init(hasLines, 0, 0)
    guard let file = Self.open(path) else { throw .system("cannot write the access log \(path)") }
    state.withLock { $0.fresh = file }
    // The thread does not keep the log: it ends with it.
    thread = OwnThread("access log") { [unowned(unsafe) self] in serve() }
    if thread == nil { throw .system("no thread for the access log \(path)", EAGAIN) }
  }

  deinit {
    end()
    sem_destroy(hasLines)
    hasLines.deallocate()
  }

  private static func open(_ path: String) -> Int32? {
    let descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, mode)
    return descriptor < 0 ? nil : descriptor
  }

  /// A request has been answered, or broken off.
  func note(_ exchange: ServerExchange, _ listener: String) {
    var line = AccessLine()
    line.describe(exchange, listener)
    let mustWake = state.withLock { state in
      guard !state.isEnding else { return false }
      guard state.waiting.count + line.bytes.count <= Self.bufferLimit else {
        state.leftOut += 1
        return false
      }
      defer { state.waiting += line.bytes }
      return state.waiting.isEmpty
    }
    if mustWake { sem_post(hasLines) }
  }

  /// After somebody has moved the file away. Returns why it could not be opened again; then the old one goes on.
  func reopen() -> String? {
    guard let file = Self.open(path) else { return "cannot write the access log \(path): \(systemError())" }
    let unused = state.withLock { state in
      defer { state.fresh = file }
      return state.fresh
    }
    if let unused { close(unused) }
    sem_post(hasLines)
    return nil
  }

  /// Writes what waits and takes no more.
  func end() {
    state.withLock { $0.isEnding = true }
    guard let thread else { return }
    self.thread = nil
    sem_post(hasLines)
    thread.join()
  }

  private func serve() {
    var file: Int32 = -1
    defer { close(file) }
    while true {
      while sem_wait(hasLines) != 0 {}
      let taken = state.withLock { state in
        defer { (state.waiting, state.leftOut, state.fresh) = ([], 0, nil) }
        return state
      }
      if let fresh = taken.fresh {
        if file >= 0 { close(file) }
        file = fresh
      }
      write(taken, to: file)
      if taken.isEnding { return }
    }
  }

  private func write(_ taken: State, to file: Int32) {
    if !writeAll(file, taken.waiting) {
      log.write(NH_LOG_ERROR, "cannot write the access log \(path): \(systemError()); lines are missing")
    } else if taken.leftOut > 0 {
      log.write(NH_LOG_WARNING, "the disk is too slow for the access log \(path): \(taken.leftOut) lines are missing")
    }
  }
}
