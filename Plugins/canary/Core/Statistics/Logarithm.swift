/// Logarithms and powers from additions, multiplications and divisions alone: every machine computes the same, and a
/// simulated run repeats.
enum Logarithm {
  private static let ln2 = 0.693_147_180_559_945_3

  /// Of a number above 0.
  static func of(_ number: Double) -> Double {
    guard number > 0, number.isFinite else { return number == 0 ? -.infinity : number }
    var significand = number.significand, exponent = Double(number.exponent)
    if significand > 1.414_213_562_373_095_1 { (significand, exponent) = (significand / 2, exponent + 1) }
    let t = (significand - 1) / (significand + 1)
    let square = t * t
    var series = 0.0
    for odd in stride(from: 23, through: 1, by: -2) { series = series * square + 1 / Double(odd) }
    return exponent * ln2 + 2 * t * series
  }

  static func power(_ exponent: Double) -> Double {
    if exponent < -745 { return 0 }
    if exponent > 709 { return .infinity }
    let twos = (exponent / ln2).rounded()
    let rest = exponent - twos * ln2
    var series = 1.0
    for place in stride(from: 16, through: 1, by: -1) { series = 1 + series * rest / Double(place) }
    return Double(sign: .plus, exponent: Int(max(-1_000, twos)), significand: series)
  }

  /// ln of the sum of what these are logarithms of.
  static func ofSum(_ logarithms: [Double]) -> Double {
    let largest = logarithms.max() ?? -.infinity
    guard largest.isFinite else { return largest }
    return largest + of(logarithms.reduce(0) { $0 + power($1 - largest) })
  }
}
