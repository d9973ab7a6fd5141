internal import NodeKit

/// What has happened in a session, in the store and for whoever watches.
final class SessionHistory {
  /// Older events are forgotten.
  static let limit = 100_000
  private static let watcherLimit = 256

  private let context: RoleContext
  private let prefix: String
  /// The number of the next event.
  private(set) var next: Int64
  private let count: (JSON) -> Void
  private var watchers: [EventStream] = []
  /// The newest model that was tried, and what came of it.
  private(set) var last: JSON?

  /// - Parameter next: the number of the next event.
  init(_ context: RoleContext, session: String, next: Int64, last: JSON?, count: @escaping (JSON) -> Void) {
    (self.context, self.next, self.last, self.count) = (context, next, last, count)
    prefix = Self.prefix(session)
  }

  static func prefix(_ session: String) -> String { "history/\(session)/" }

  /// So that their order is that of the numbers.
  static func key(_ prefix: String, _ number: Int64) -> String {
    let digits = String(number)
    return prefix + String(repeating: "0", count: 12 - digits.count) + digits
  }

  static func number(of key: String) -> Int64 { key.split(separator: "/").last.flatMap { Int64($0) } ?? 0 }

  func add(_ event: JSON) {
    var object = JSONObject([
      ("n", .int(next)), ("at_ms", .int(context.timeSince1970.nanoseconds / 1_000_000)),
    ])
    for member in event.object?.members ?? [] where member.value != .null { object[member.key] = member.value }
    let whole = JSON.object(object)
    if event["event"]?.string == "validated" { last = whole }
    do {
      try context.store.commit {
        $0.put(Self.key(prefix, next), whole)
        if next > Self.limit { $0.delete(Self.key(prefix, next - Int64(Self.limit))) }
      } then: { [context] result in
        if case .failure(let error) = result {
          context.log.warning("an event of a session cannot be written down: \(error.message)")
        }
      }
    } catch { context.log.warning("an event of a session cannot be written down: \(error)") }
    next += 1
    count(whole)
    tell(whole)
  }

  private func tell(_ event: JSON) {
    watchers.removeAll { !$0.isOpen }
    for watcher in watchers {
      _ = try? watcher.send(json: event, event: event["event"]?.string, id: event["n"]?.int.map { "\($0)" })
    }
  }

  func watch(_ request: HTTPRequest) throws {
    watchers.removeAll { !$0.isOpen }
    guard watchers.count < Self.watcherLimit else {
      throw RoleError(.resourceExhausted, "\(Self.watcherLimit) pages watch the session already")
    }
    watchers.append(try request.beginEvents())
  }

  func ping() { for watcher in watchers { _ = try? watcher.ping() } }

  func end() {
    for watcher in watchers { watcher.end() }
    watchers = []
  }
}
