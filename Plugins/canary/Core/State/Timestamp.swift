/// Times of day as ISO 8601 has them.
enum Timestamp {
  /// "2026-11-22T00:34:50.250Z".
  static func text(_ milliseconds: Int64) -> String {
    let (days, rest) = (milliseconds / 86_400_000, milliseconds % 86_400_000)
    // Days since 0000-03-01 in eras of 400 years: then a leap day is the last of its year.
    let shifted = days + 719_468
    let era = shifted / 146_097, ofEra = shifted % 146_097
    let year = (ofEra - ofEra / 1_460 + ofEra / 36_524 - ofEra / 146_096) / 365
    let ofYear = ofEra - (365 * year + year / 4 - year / 100)
    let month = (5 * ofYear + 2) / 153
    let day = ofYear - (153 * month + 2) / 5 + 1
    let civilMonth = month < 10 ? month + 3 : month - 9
    let civilYear = year + era * 400 + (civilMonth <= 2 ? 1 : 0)
    let (hour, minute, second) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60)
    return "\(padded(civilYear, 4))-\(padded(civilMonth, 2))-\(padded(day, 2))"
      + "T\(padded(hour, 2)):\(padded(minute, 2)):\(padded(second, 2)).\(padded(rest % 1_000, 3))Z"
  }

  private static func padded(_ number: Int64, _ width: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, width - digits.count)) + digits
  }
}
