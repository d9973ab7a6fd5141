/// Amounts as people say them.
package enum HumanUnits {
  /// The two largest units: `3m 12s`, `2d 4h`, `850ms`.
  package static func duration(milliseconds: Int64) -> String {
    guard milliseconds >= 0 else {
      return milliseconds == .min ? "-" : "-" + duration(milliseconds: -milliseconds)
    }
    if milliseconds < 1000 { return "\(milliseconds)ms" }
    let seconds = milliseconds / 1000
    let units: [(Int64, String)] = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")]
    let first = units.firstIndex { seconds >= $0.0 } ?? units.count - 1
    let large = "\(seconds / units[first].0)\(units[first].1)"
    guard first + 1 < units.count else { return large }
    let rest = seconds % units[first].0 / units[first + 1].0
    return rest == 0 ? large : "\(large) \(rest)\(units[first + 1].1)"
  }

  /// `210µs`, `1.4ms`; from ten milliseconds as above.
  package static func duration(microseconds: Int64) -> String {
    if (0..<1000).contains(microseconds) { return "\(microseconds)µs" }
    guard (1000..<10_000).contains(microseconds) else { return duration(milliseconds: microseconds / 1000) }
    let tenth = microseconds % 1000 / 100
    return "\(microseconds / 1000)" + (tenth == 0 ? "ms" : ".\(tenth)ms")
  }

  /// Powers of 1024 with one decimal: `1.2 MiB`.
  package static func bytes(_ count: UInt64) -> String {
    if count < 1024 { return "\(count) B" }
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    var tenths = Double(count) / 1024 * 10
    var unit = 0
    // 10235 tenths would be rounded to 1024.0, which is one of the next unit.
    while tenths.rounded() >= 10_240, unit + 1 < units.count {
      tenths /= 1024
      unit += 1
    }
    let rounded = Int64(tenths.rounded())
    let fraction = rounded % 10 == 0 ? "" : ".\(rounded % 10)"
    return "\(rounded / 10)\(fraction) \(units[unit])"
  }
}
