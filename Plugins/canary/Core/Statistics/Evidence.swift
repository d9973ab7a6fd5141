internal import NodeKit

/// Tests that may be looked at after every request, for as long as one likes, without more false alarms: an *e-process*
/// is a number that is at most 1 on average while the version is good, whenever one stops; so it ever reaches 1 / alpha
/// with a chance of at most alpha (Ville 1939; Ramdas, Grünwald, Vovk and Shafer, "Game-Theoretic Statistics and Safe
/// Anytime-Valid Inference", 2023).
///
/// Each here is a mixture over how much worse a bad version may be (Robbins 1970): the odds of a bad request times one
/// of ``alternatives``, all with the same weight.
public enum Evidence {
  /// By how much the odds are worse.
  static let alternatives = [1.25, 1.5, 2, 3, 5, 10, 30, 100]
  static let logAlternatives = alternatives.map(Logarithm.of)
  private static let logWeight = -Logarithm.of(Double(alternatives.count))
  /// More summands than this are not worth a window's evidence.
  private static let termLimit: Int64 = 100_000

  /// ln of the evidence against "at most `limit` of its requests are bad": for each alternative the likelihood ratio of
  /// a Bernoulli sequence, which has the mean 1 at the limit and less below it.
  public static func againstLimit(_ limit: Double, all: Int64, bad: Int64) -> Double {
    guard all > 0 else { return 0 }
    let logs = alternatives.map { odds in
      // With q = θL / (1 - L + θL): q / L = θ / s, (1 - q) / (1 - L) = 1 / s.
      let s = 1 - limit + odds * limit
      return Double(bad) * Logarithm.of(odds) - Double(all) * Logarithm.of(s)
    }
    return Logarithm.ofSum(logs) + logWeight
  }

  /// ln of what one window says for each alternative against "its odds of a bad request are at most `factor` times the
  /// baseline's". Of a window only this is used: given how many requests each version had, and how many of all were
  /// bad, how many of the bad ones were the canary's. Under equal odds that is hypergeometric, under odds θ times as
  /// high Fisher's noncentral hypergeometric; their ratio is an e-value whatever the rate of errors itself is (the
  /// conditional test of Cornfield 1956, as a sequential one). So a rate that rises and falls for both is no evidence,
  /// and windows of different nodes and seconds may be multiplied.
  public static func ofWindow(
    canary: (all: Int64, bad: Int64), baseline: (all: Int64, bad: Int64), factor: Double
  ) -> [Double] {
    let bad = canary.bad + baseline.bad
    let low = max(0, bad - baseline.all), high = min(bad, canary.all)
    guard bad > 0, high > low, high - low < termLimit else { return none }
    let logFactor = Logarithm.of(factor)
    let sums =
      high - low <= fewTerms
      ? fewSums(canary.all, baseline.all, bad, low...high, factor)
      : manySums(canary.all, baseline.all, bad, low...high, logFactor)
    var logs = none
    for place in logs.indices {
      logs[place] = Double(canary.bad - low) * logAlternatives[place] - (sums[place] - sums[logs.count])
    }
    return logs
  }

  /// Up to so many terms the sums stay far inside of what a double can hold.
  private static let fewTerms: Int64 = 16

  /// ln of the sums of the numbers of ways, times the odds to the power of the bad ones; for each alternative, and last
  /// for the null. All are relative to the first term.
  static func fewSums(
    _ canary: Int64, _ baseline: Int64, _ bad: Int64, _ range: ClosedRange<Int64>, _ factor: Double
  ) -> [Double] {
    var logs = none + [0]
    for place in logs.indices {
      let odds = place < alternatives.count ? alternatives[place] * factor : factor
      var term = 1.0, sum = 1.0, j = range.lowerBound
      while j < range.upperBound {
        term *= odds * Double(canary - j) * Double(bad - j) / (Double(j + 1) * Double(baseline - bad + j + 1))
        sum += term
        j += 1
      }
      logs[place] = Logarithm.of(sum)
    }
    return logs
  }

  static func manySums(
    _ canary: Int64, _ baseline: Int64, _ bad: Int64, _ range: ClosedRange<Int64>, _ logFactor: Double
  ) -> [Double] {
    // Each is a ratio to the one before.
    var ways = [0.0]
    for j in range.lowerBound..<range.upperBound {
      let ratio = Double(canary - j) * Double(bad - j) / (Double(j + 1) * Double(baseline - bad + j + 1))
      ways.append(ways.last! + Logarithm.of(ratio))
    }
    return (logAlternatives + [0]).map { logOdds in
      var logs = ways
      for place in logs.indices { logs[place] += Double(place) * (logOdds + logFactor) }
      return Logarithm.ofSum(logs)
    }
  }

  /// No evidence.
  public static let none = [Double](repeating: 0, count: alternatives.count)

  /// ln of the mixture of what was summed up over windows.
  public static func mixed(_ logs: [Double]) -> Double { Logarithm.ofSum(logs) + logWeight }

  /// How many requests of a version whose odds are `times` those of the limit it takes, on average and about, until the
  /// evidence against the limit reaches 1 / alpha: Wald's ln(1 / alpha) through the gain of each request.
  public static func requestsToFail(limit: Double, times: Double, alpha: Double) -> Double {
    let rate = times * limit / (1 - limit + times * limit)
    let gains = alternatives.map { odds in rate * Logarithm.of(odds) - Logarithm.of(1 - limit + odds * limit) }
    let best = gains.max() ?? 0
    return best <= 0 ? .infinity : (Logarithm.of(1 / alpha) - logWeight) / best
  }
}
