/// Logarithms and powers from additions, multiplications and divisions alone: every machine computes the same, and a
/// simulated run repeats.
package enum Logarithm {
  private static let ln2 = 0.693_147_180_559_945_3

  /// Of a number above 0.
  package static func of(_ number: Double) -> Double {
    guard number > 0, number.isFinite else { return number == 0 ? -.infinity : number }
    var significand = number.significand, exponent = Double(number.exponent)
    if significand > 1.414_213_562_373_095_1 { (significand, exponent) = (significand / 2, exponent + 1) }
    // 2 artanh t, with t² at most 0.0295: eleven terms are more than a double holds.
    let t = (significand - 1) / (significand + 1)
    let square = t * t
    var series = 1.0 / 21
    series = series * square + 1.0 / 19
    series = series * square + 1.0 / 17
    series = series * square + 1.0 / 15
    series = series * square + 1.0 / 13
    series = series * square + 1.0 / 11
    series = series * square + 1.0 / 9
    series = series * square + 1.0 / 7
    series = series * square + 1.0 / 5
    series = series * square + 1.0 / 3
    series = series * square + 1
    return exponent * ln2 + 2 * t * series
  }

  package static func power(_ exponent: Double) -> Double {
    // Below lies nothing that a sum would notice.
    if exponent < -700 { return 0 }
    if exponent > 709 { return .infinity }
    let twos = (exponent / ln2).rounded()
    let rest = exponent - twos * ln2
    var series = rest / 13 + 1
    series = series * rest / 12 + 1
    series = series * rest / 11 + 1
    series = series * rest / 10 + 1
    series = series * rest / 9 + 1
    series = series * rest / 8 + 1
    series = series * rest / 7 + 1
    series = series * rest / 6 + 1
    series = series * rest / 5 + 1
    series = series * rest / 4 + 1
    series = series * rest / 3 + 1
    series = series * rest / 2 + 1
    series = series * rest + 1
    return Double(sign: .plus, exponent: Int(twos), significand: series)
  }

  /// ln of the sum of what these are logarithms of.
  package static func ofSum(_ logarithms: [Double]) -> Double {
    var largest = -Double.infinity
    for logarithm in logarithms where logarithm > largest { largest = logarithm }
    guard largest.isFinite else { return largest }
    var sum = 0.0
    for logarithm in logarithms { sum += power(logarithm - largest) }
    return largest + of(sum)
  }
}
