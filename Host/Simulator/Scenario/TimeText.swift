/// Times in scenarios: `200ms`, `5s`, `1.5m`.
package enum TimeText {
  private static let units: [(name: String, nanoseconds: Double)] = [
    ("us", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9),
  ]

  static func nanoseconds(_ word: String) -> Int64? {
    let number = word.prefix { $0.isNumber || $0 == "." }
    guard let value = Double(number), let unit = units.first(where: { $0.name == word.dropFirst(number.count) }),
      value * unit.nanoseconds < 1e18
    else { return nil }
    return Int64(value * unit.nanoseconds)
  }

  /// With six digits behind the point.
  package static func seconds(_ nanoseconds: Int64) -> String {
    let rest = String(nanoseconds / 1_000 % 1_000_000)
    return "\(nanoseconds / 1_000_000_000).\(String(repeating: "0", count: 6 - rest.count))\(rest)"
  }

  /// So that reading it again gives the same time, but for less than a microsecond.
  static func text(_ nanoseconds: Int64) -> String {
    nanoseconds % 1_000_000 == 0 ? "\(nanoseconds / 1_000_000)ms" : "\(nanoseconds / 1_000)us"
  }
}
