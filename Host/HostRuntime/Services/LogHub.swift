import CNodeABI
import Glibc
package import HostCore
import NodeValues
import Synchronization

/// One line of the node's log.
package struct LogLine: Sendable {
  package var number: UInt64
  package var wallNanoseconds: Int64
  package var level: UInt32
  /// Empty for the node itself.
  package var role: String
  package var message: String
  /// JSON text of an object, or empty.
  package var fields: String

  var record: LogRecord {
    LogRecord(
      time: Timestamp.text(wallNanoseconds), level: LogNumber.name(level), role: role, message: message,
      fields: (try? JSON(parsing: fields)) ?? .object(JSONObject()))
  }

  func answers(_ query: LogQuery) -> Bool {
    (query.role ?? role) == role && level >= query.level.flatMap(LogNumber.number) ?? NH_LOG_TRACE
  }

  var text: String {
    let origin = role.isEmpty ? "node" : role
    let tail = fields.isEmpty ? "" : " \(fields)"
    // Text of a role must not look like another line of the log.
    let words = TextLayout.harmless("\(origin): \(message)\(tail)")
    return "\(Timestamp.text(wallNanoseconds)) \(LogNumber.name(level).padded(to: 7)) \(words)\n"
  }
}

/// The levels of nh_host.log and their names.
package enum LogNumber {
  static func name(_ level: UInt32) -> String {
    ControlAPI.logLevels[Int(min(level, UInt32(ControlAPI.logLevels.count - 1)))]
  }

  static func number(_ name: String) -> UInt32? {
    ControlAPI.logLevels.firstIndex(of: name).map { UInt32($0) }
  }
}

/// Where all log lines meet: standard error, a ring of the latest for `hostctl logs`, and whoever
/// follows.
package final class LogHub: Sendable {
  /// Lines kept for those who ask later.
  static let ringLimit = 2000
  /// A message beyond this is cut, as nh_host.log promises. Fields beyond it, which cut would not be JSON, are
  /// left out.
  static let lineLimit = 8 << 10

  private struct State {
    var ring: [LogLine] = []
    var next: UInt64 = 1
    var follower: (@Sendable () -> Void)?
  }
  private let state = Mutex(State())
  private let least: Atomic<UInt32>
  private let writesToStandardError: Bool

  package init(least: LogLevel = .info, writesToStandardError: Bool = true) {
    self.least = Atomic(LogNumber.number(least.rawValue) ?? NH_LOG_INFO)
    self.writesToStandardError = writesToStandardError
  }

  package func setLevel(_ level: LogLevel) {
    least.store(LogNumber.number(level.rawValue) ?? NH_LOG_INFO, ordering: .relaxed)
  }
  package func isEnabled(_ level: UInt32) -> Bool { level >= least.load(ordering: .relaxed) }

  package func write(_ level: UInt32, role: String = "", _ message: String, fields: String = "") {
    guard isEnabled(level) else { return }
    let message = message.utf8.count > Self.lineLimit ? Self.cut(message) : message
    let fields = fields.utf8.count > Self.lineLimit ? "" : fields
    let (line, follower) = state.withLock { state in
      let line = LogLine(
        number: state.next, wallNanoseconds: Timestamp.now(), level: level, role: role, message: message,
        fields: fields)
      state.next += 1
      // Dropping half at once keeps the cost of shifting the ring small.
      if state.ring.count >= Self.ringLimit * 2 { state.ring.removeFirst(Self.ringLimit) }
      state.ring.append(line)
      return (line, state.follower)
    }
    if writesToStandardError { _ = writeAll(2, Array(line.text.utf8)) }
    follower?()
  }

  /// By bytes: a single character may be of any length.
  private static func cut(_ message: String) -> String {
    String(decoding: message.utf8.prefix(lineLimit), as: UTF8.self) + "…"
  }

  /// The lines after `number`, at most the latest `limit`.
  package func lines(after number: UInt64, limit: Int) -> [LogLine] {
    state.withLock { state in Array(state.ring.drop { $0.number <= number }.suffix(limit)) }
  }

  /// Calls `follower` after each line, on the thread that wrote it.
  package func follow(_ follower: (@Sendable () -> Void)?) { state.withLock { $0.follower = follower } }
}

/// Points in time for people: RFC 3339 in UTC with milliseconds.
package enum Timestamp {
  package static func now() -> Int64 {
    if let virtual = VirtualTime.wall { return virtual }
    var time = timespec()
    clock_gettime(CLOCK_REALTIME, &time)
    return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
  }

  package static func text(_ nanoseconds: Int64) -> String {
    var seconds = time_t(nanoseconds / 1_000_000_000)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    let date = "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
    let milliseconds = String(nanoseconds / 1_000_000 % 1000)
    let fraction = String(repeating: "0", count: 3 - milliseconds.count) + milliseconds
    return "\(date)T\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec)).\(fraction)Z"
  }

  private static func two(_ number: Int32) -> String { number < 10 ? "0\(number)" : "\(number)" }
}

extension String {
  func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
