internal import NodeKit

/// Hours of the week, in UTC, in which no rollout begins and no share grows: "Fri 16:00-Mon 08:00" is one stretch,
/// "Mon-Fri 22:00-06:00" and "* 12:00-13:00" come every such day. Rollbacks are never frozen.
public struct FreezeWindow: Sendable, Equatable {
  static let limit = 32
  private static let days = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
  private static let minutesOfDay = 1_440
  private static let minutesOfWeek = 7 * minutesOfDay

  public let text: String
  /// In minutes since Monday, each from its start up to but not including its end, which may lie in the next week.
  private let stretches: [Range<Int>]

  public init(_ text: String) throws {
    self.text = text
    let fault = RoleError(
      .invalidArgument,
      "`\(text)` is no freeze window; write \"Fri 16:00-Mon 08:00\", \"Mon-Fri 22:00-06:00\" or "
        + "\"* 12:00-13:00\", in UTC",
      at: "/freeze")
    guard text.utf8.count <= 40 else { throw fault }
    let words = text.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
    if words.count == 3, let middle = words[1].firstIndex(of: "-") {
      guard let first = Self.days.firstIndex(of: words[0]), let start = Self.minute(words[1][..<middle]),
        let last = Self.days.firstIndex(of: String(words[1][words[1].index(after: middle)...])),
        let end = Self.minute(Substring(words[2]))
      else { throw fault }
      let from = first * Self.minutesOfDay + start
      let length = Self.wrapped(last * Self.minutesOfDay + end - from, Self.minutesOfWeek)
      stretches = [from..<from + length]
      return
    }
    guard words.count == 2, let days = Self.days(words[0]) else { throw fault }
    let times = words[1].split(separator: "-", omittingEmptySubsequences: false)
    guard times.count == 2, let start = Self.minute(times[0]), let end = Self.minute(times[1]) else { throw fault }
    let length = Self.wrapped(end - start, Self.minutesOfDay)
    stretches = days.map { $0 * Self.minutesOfDay + start..<$0 * Self.minutesOfDay + start + length }
  }

  /// From 1 to `whole`: the same time twice is all of it.
  private static func wrapped(_ minutes: Int, _ whole: Int) -> Int { minutes > 0 ? minutes : minutes + whole }

  private static func days(_ word: String) -> [Int]? {
    if word == "*" { return Array(0..<7) }
    let ends = word.split(separator: "-", omittingEmptySubsequences: false).map { days.firstIndex(of: String($0)) }
    guard let first = ends[0], ends.count <= 2, let last = ends.last ?? nil else { return nil }
    return (0...(last - first + 7) % 7).map { (first + $0) % 7 }
  }

  private static func minute(_ text: Substring) -> Int? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 2,
      parts.allSatisfy({ $0.utf8.count == 2 && $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
      let hour = Int(parts[0]), let minute = Int(parts[1]), minute < 60, hour < 24 || hour == 24 && minute == 0
    else { return nil }
    return hour * 60 + minute
  }

  /// Whether it holds at a time since 1970-01-01 UTC, which was a Thursday.
  public func holds(atMs milliseconds: Int64) -> Bool {
    let minute = Int((milliseconds / 60_000 + Int64(3 * Self.minutesOfDay)) % Int64(Self.minutesOfWeek))
    return stretches.contains { $0.contains(minute) || $0.contains(minute + Self.minutesOfWeek) }
  }
}
