internal import CPrivacy

/// How much of anybody's privacy a training has cost: the epsilon and delta of differential privacy, by the Rényi
/// divergences of the sampled Gaussian mechanism, which add up from round to round (Mironov, 2017; Mironov, Talwar and
/// Zhang, 2019).
///
/// What it takes for granted: each trainer takes part in a round with the same probability, whatever the others do;
/// what each brings counts the same and is at most `clip` long; and to the sum of all is added normal noise of
/// `noiseMultiplier * clip`. Neighbours are two trainings of which one lacks a trainer.
public struct PrivacyAccountant: Sendable {
  /// Of the divergences. The best of them is taken; large ones matter for much noise.
  public static let orders = Array(2...64) + [80, 96, 128, 192, 256, 512, 1024]

  /// What was spent so far, for each of the orders.
  public private(set) var divergences = [Double](repeating: 0, count: orders.count)
  public private(set) var rounds = 0

  public init() {}

  /// Goes on with what was written down of another one; nil if this is none's.
  public init?(divergences: [Double], rounds: Int) {
    guard divergences.count == Self.orders.count, divergences.allSatisfy({ $0 >= 0 }), rounds >= 0 else { return nil }
    (self.divergences, self.rounds) = (divergences, rounds)
  }

  /// Rounds that were played.
  ///
  /// - Parameters:
  ///   - share: the probability of each trainer to be in one, up to 1.
  ///   - noiseMultiplier: the noise of the sum, in clips. With none there is no privacy.
  public mutating func add(rounds count: Int = 1, share: Double, noiseMultiplier: Double) {
    precondition((0...1).contains(share) && noiseMultiplier >= 0 && count >= 0)
    rounds += count
    guard share > 0, count > 0 else { return }
    for (place, order) in Self.orders.enumerated() {
      let moment = noiseMultiplier > 0 ? Self.logMoment(share, noiseMultiplier, order) : .infinity
      divergences[place] += Double(count) * moment / Double(order - 1)
    }
  }

  static func logMoment(_ share: Double, _ noise: Double, _ order: Int) -> Double {
    cp_log_moment(share, noise, Int32(order))
  }

  /// The epsilon for this delta: except with a probability of about delta, nobody can tell with more certainty than
  /// a factor of e^epsilon whether somebody took part (Canonne, Kamath and Steinke, 2020, proposition 12). Infinity if
  /// there is no privacy.
  public func epsilon(delta: Double) -> Double {
    precondition(delta > 0 && delta < 1)
    guard divergences.contains(where: { $0 > 0 }) else { return 0 }
    return zip(Self.orders, divergences).reduce(.infinity) { least, pair in
      let order = Double(pair.0)
      let epsilon = pair.1 + cp_log(1 - 1 / order) - cp_log(delta * order) / (order - 1)
      return min(least, max(0, epsilon))
    }
  }

  /// The same by Mironov's proposition 3 of 2017, which is larger and what older figures were made with.
  func classicEpsilon(delta: Double) -> Double {
    zip(Self.orders, divergences).reduce(.infinity) { min($0, $1.1 - cp_log(delta) / Double($1.0 - 1)) }
  }

  /// The least noise with which so many rounds stay within an epsilon; nil if no noise up to a thousand clips does.
  public static func noiseMultiplier(
    epsilon: Double, delta: Double, rounds: Int, share: Double
  ) -> Double? {
    func stays(_ noise: Double) -> Bool {
      var accountant = PrivacyAccountant()
      accountant.add(rounds: rounds, share: share, noiseMultiplier: noise)
      return accountant.epsilon(delta: delta) <= epsilon
    }
    var low = 0.01, high = 1000.0
    guard stays(high) else { return nil }
    // To four digits.
    while high / low > 1.0001 {
      let middle = (low * high).squareRoot()
      if stays(middle) { high = middle } else { low = middle }
    }
    return high
  }
}
