internal import NodeKit

/// What a version must keep to while it gets more and more requests, as `hostctl canary start --metric` has it:
/// `error_rate<1%`, `p99<250ms`, `error_rate<baseline*1.5`, `prometheus(URL, QUERY)<0.5`, `webhook(URL)`.
public struct Metric: Sendable, Equatable {
  public enum Kind: Sendable, Equatable {
    /// A proportion of the version's own requests: `bad` says which count, and at most `limit` of them may. No limit:
    /// only the comparison with the baseline, whose odds of a bad request are multiplied by `factor`.
    case proportion(bad: Bad, limit: Double?, factor: Double)
    /// A number from elsewhere; the query's first value.
    case prometheus(url: String, query: String, isBelow: Bool, limit: Double)
    /// Somebody who answers with 2xx as long as all is well.
    case webhook(url: String)
  }

  /// Which requests are bad ones.
  public enum Bad: Sendable, Equatable {
    case failed
    /// Answered later than this.
    case slower(microseconds: Int64)
  }

  public let text: String
  public let kind: Kind

  public init(_ text: String) throws {
    self.text = text
    do { kind = try Self.kind(text) } catch {
      throw RoleError(.invalidArgument, "`\(text)`: \(error.message)", at: "/metrics")
    }
  }

  private static func kind(_ text: String) throws(RoleError) -> Kind {
    func fault(_ words: String) -> RoleError { RoleError(.invalidArgument, words) }
    guard text.utf8.count <= 1_000 else { throw fault("it is longer than 1,000 bytes") }
    if text.hasPrefix("webhook("), text.hasSuffix(")") {
      return .webhook(url: try url(text.dropFirst(8).dropLast()))
    }
    if text.hasPrefix("prometheus(") { return try prometheus(text.dropFirst(11)) }
    let sides = text.split(separator: "<", maxSplits: 1).map(trimmed)
    guard sides.count == 2 else {
      throw fault("write error_rate<1%, p99<250ms, error_rate<baseline*1.5, prometheus(URL, QUERY)<0.5 or webhook(URL)")
    }
    if sides[0] == "error_rate" {
      if sides[1].hasPrefix("baseline") { return try baseline(sides[1].dropFirst(8)) }
      guard let limit = proportion(sides[1]), limit > 0, limit < 1 else {
        throw fault("an error rate has a limit such as 1% or 0.01, between 0 and 1")
      }
      return .proportion(bad: .failed, limit: limit, factor: 1)
    }
    guard sides[0].hasPrefix("p"), let percentile = Double(sides[0].dropFirst()), percentile > 0, percentile < 100
    else {
      throw fault("`\(sides[0])` is not measured here; there are error_rate, and p50 to p99.9 for latencies")
    }
    guard let limit = time(sides[1]) else { throw fault("a latency has a limit such as 250ms or 1.5s") }
    guard LatencyBounds.microseconds.contains(limit) else {
      throw fault("latencies are counted in steps: take \(LatencyBounds.near(limit))")
    }
    // As 100 - percentile is not exact: 0.1 % of p99.9 shall be 0.001 on every machine.
    let share = ((100 - percentile) * 1e7).rounded() / 1e9
    return .proportion(bad: .slower(microseconds: limit), limit: share, factor: 1)
  }

  private static func baseline(_ rest: Substring) throws(RoleError) -> Kind {
    let factor = rest.isEmpty ? 1 : rest.hasPrefix("*") ? Double(trimmed(rest.dropFirst())) : nil
    guard let factor, factor >= 1, factor <= 100 else {
      throw RoleError(.invalidArgument, "write baseline, or baseline*1.5 with a factor from 1 to 100")
    }
    return .proportion(bad: .failed, limit: nil, factor: factor)
  }

  private static func prometheus(_ rest: Substring) throws(RoleError) -> Kind {
    func fault(_ words: String) -> RoleError { RoleError(.invalidArgument, words) }
    guard let end = rest.lastIndex(of: ")") else { throw fault("its parenthesis has no end") }
    let inner = rest[..<end], limit = trimmed(rest[rest.index(after: end)...])
    guard let comma = inner.firstIndex(of: ",") else { throw fault("write prometheus(URL, QUERY)<LIMIT") }
    guard let sign = limit.first, sign == "<" || sign == ">", let number = Double(trimmed(limit.dropFirst())),
      number.isFinite
    else { throw fault("behind it stands < or > and a number") }
    let query = trimmed(inner[inner.index(after: comma)...])
    guard !query.isEmpty else { throw fault("it has no query") }
    return .prometheus(url: try url(inner[..<comma]), query: query, isBelow: sign == "<", limit: number)
  }

  private static func url(_ text: Substring) throws(RoleError) -> String {
    let url = trimmed(text)
    guard url.hasPrefix("http://") || url.hasPrefix("https://"), url.utf8.allSatisfy({ (0x21...0x7E).contains($0) })
    else {
      throw RoleError(.invalidArgument, "`\(url)` is no URL; it begins with http:// or https://")
    }
    return url
  }

  private static func trimmed(_ text: Substring) -> String {
    var rest = text
    while rest.first == " " { rest.removeFirst() }
    while rest.last == " " { rest.removeLast() }
    return String(rest)
  }

  private static func proportion(_ text: String) -> Double? {
    text.hasSuffix("%") ? Double(text.dropLast()).map { $0 / 100 } : Double(text)
  }

  private static func time(_ text: String) -> Int64? {
    let (digits, unit): (Substring, Double) =
      text.hasSuffix("ms")
      ? (text.dropLast(2), 1e3)
      : text.hasSuffix("us") ? (text.dropLast(2), 1) : text.hasSuffix("s") ? (text.dropLast(), 1e6) : ("", 0)
    guard let number = Double(digits), number > 0, number * unit <= 1e10 else { return nil }
    return Int64((number * unit).rounded())
  }
}

/// How the data plane counts latencies: see the README, "Forwarding requests".
public enum LatencyBounds {
  /// Each is included in its bucket; behind the last there is one more.
  public static let microseconds: [Int64] =
    [100, 1_000, 10_000, 100_000, 1_000_000].flatMap { decade in
      [10, 15, 20, 25, 30, 40, 50, 60, 75].map { Int64($0) * decade / 10 }
    } + [10_000_000]

  static var count: Int { microseconds.count + 1 }

  static func bucket(_ time: Int64) -> Int {
    var low = 0, high = microseconds.count
    while low < high {
      let middle = (low + high) / 2
      if microseconds[middle] < time { low = middle + 1 } else { high = middle }
    }
    return low
  }

  static func near(_ limit: Int64) -> String {
    let below = microseconds.last { $0 < limit }, above = microseconds.first { $0 > limit }
    return [below, above].compactMap { $0.map(words) }.joined(separator: " or ")
  }

  static func words(_ time: Int64) -> String {
    time >= 1_000_000 ? "\(JSON.double(Double(time) / 1e6))s" : "\(JSON.double(Double(time) / 1e3))ms"
  }
}
