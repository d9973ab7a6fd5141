/// A moment as HTTP writes it: "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7).
package enum HTTPDate {
  package static let length = 29

  package static func text(_ secondsSince1970: Int) -> [UInt8] {
    let days = secondsSince1970 / 86_400, second = secondsSince1970 % 86_400
    let (year, month, day) = civil(days)
    let names = "ThuFriSatSunMonTueWed", months = "JanFebMarAprMayJunJulAugSepOctNovDec"
    return Array(three(names, days % 7).utf8) + Array(", ".utf8) + two(day) + Array(" ".utf8)
      + Array(three(months, month - 1).utf8) + Array(" ".utf8) + two(year / 100) + two(year % 100) + Array(" ".utf8)
      + two(second / 3_600) + Array(":".utf8) + two(second / 60 % 60) + Array(":".utf8) + two(second % 60)
      + Array(" GMT".utf8)
  }

  private static func three(_ names: String, _ place: Int) -> Substring { names.dropFirst(place * 3).prefix(3) }

  private static func two(_ number: Int) -> [UInt8] { [UInt8(0x30 + number / 10), UInt8(0x30 + number % 10)] }

  /// The date of a day since the first of 1970, in the calendar that counts years from March.
  private static func civil(_ days: Int) -> (year: Int, month: Int, day: Int) {
    let shifted = days + 719_468
    let era = shifted / 146_097
    let dayOfEra = shifted % 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let march = (5 * dayOfYear + 2) / 153
    let month = march < 10 ? march + 3 : march - 9
    return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * march + 2) / 5 + 1)
  }
}
