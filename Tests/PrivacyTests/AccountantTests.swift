import Testing

@testable import Privacy

/// Figures of others, for the same mechanism.
@Suite struct AccountantTests {
  private func spent(_ share: Double, _ noise: Double, _ rounds: Int) -> PrivacyAccountant {
    var accountant = PrivacyAccountant()
    accountant.add(rounds: rounds, share: share, noiseMultiplier: noise)
    return accountant
  }

  /// Abadi and others, "Deep learning with differential privacy" (2016), figure 2 and section 5.1: q = 0.01, sigma = 4,
  /// delta = 1e-5, 10,000 steps: 1.26 by the moments accountant.
  @Test func abadi2016() {
    let accountant = spent(0.01, 4, 10_000)
    #expect(abs(accountant.classicEpsilon(delta: 1e-5) - 1.26) < 0.005)
    #expect(accountant.epsilon(delta: 1e-5) < 1.26)
  }

  /// The table of TensorFlow Privacy's tutorial for MNIST, 2019: batches of 256 of 60,000, delta = 1e-5. It was made with
  /// orders between the whole ones, too, which give up to 2 % less.
  @Test(arguments: [(1.12, 60, 2.92), (0.6, 30, 9.74), (1.2, 10, 1.20)])
  func mnist(_ noise: Double, _ epochs: Int, _ published: Double) {
    let epsilon = spent(256.0 / 60_000, noise, epochs * 60_000 / 256).classicEpsilon(delta: 1e-5)
    #expect(epsilon > 0.99 * published && epsilon < 1.03 * published)
  }

  /// Without sampling the divergence of order a is a / (2 sigma^2): Mironov, "Renyi differential privacy" (2017),
  /// proposition 7. Its least epsilon by proposition 3 is 1 / (2 sigma^2) + sqrt(2 log(1 / delta)) / sigma.
  @Test func plainGaussian() {
    let sigma = 5.0, logarithm = 11.512925464970229
    let best = 1 / (2 * sigma * sigma) + (2 * logarithm).squareRoot() / sigma
    #expect(abs(spent(1, sigma, 1).classicEpsilon(delta: 1e-5) - best) < 1e-3)
  }

  /// The divergence itself, beside the integral that defines it: of N(0, s^2) and (1 - q) N(0, s^2) + q N(1, s^2), by
  /// the rule of Simpson.
  @Test(arguments: [(0.1, 1.0, 2), (0.01, 0.8, 8), (0.3, 2.0, 5), (0.5, 4.0, 32)])
  func momentsAreIntegrals(_ q: Double, _ sigma: Double, _ order: Int) {
    let steps = 40_000, low = -20 * sigma, high = 20 * sigma + Double(order), width = (high - low) / Double(steps)
    var sum = 0.0
    for step in 0...steps {
      let x = low + Double(step) * width
      let density = exp(-x * x / (2 * sigma * sigma)) / (sigma * (2 * Double.pi).squareRoot())
      let ratio = 1 - q + q * exp((2 * x - 1) / (2 * sigma * sigma))
      let weight = step == 0 || step == steps ? 1.0 : step % 2 == 1 ? 4.0 : 2.0
      sum += weight * density * power(ratio, order)
    }
    let integral = sum * width / 3
    var accountant = PrivacyAccountant()
    accountant.add(share: q, noiseMultiplier: sigma)
    let moment = PrivacyAccountant.logMoment(q, sigma, order)
    #expect(abs(exp(moment) / integral - 1) < 1e-6)
  }

  private func power(_ base: Double, _ exponent: Int) -> Double {
    (0..<exponent).reduce(1) { product, _ in product * base }
  }

  private func exp(_ x: Double) -> Double {
    // The series of what is left when twos are taken out.
    let halvings = 60
    guard x > -700 else { return 0 }
    var small = x
    var count = 0
    while abs(small) > 1e-3, count < halvings {
      small /= 2
      count += 1
    }
    var result = 1 + small + small * small / 2 + small * small * small / 6 + small * small * small * small / 24
    for _ in 0..<count { result *= result }
    return result
  }

  @Test func partsAddUp() {
    var parts = spent(0.05, 1.1, 300)
    parts.add(rounds: 700, share: 0.05, noiseMultiplier: 1.1)
    let whole = spent(0.05, 1.1, 1000)
    #expect(parts.rounds == 1000)
    #expect(abs(parts.epsilon(delta: 1e-6) - whole.epsilon(delta: 1e-6)) < 1e-9)
    #expect(PrivacyAccountant().epsilon(delta: 1e-5) == 0)
    #expect(spent(0.1, 0, 1).epsilon(delta: 1e-5) == .infinity)
    // More noise, fewer rounds and smaller samples cost less.
    let epsilon = whole.epsilon(delta: 1e-5)
    #expect(spent(0.05, 1.3, 1000).epsilon(delta: 1e-5) < epsilon)
    #expect(spent(0.05, 1.1, 500).epsilon(delta: 1e-5) < epsilon)
    #expect(spent(0.02, 1.1, 1000).epsilon(delta: 1e-5) < epsilon)
  }

  @Test func noiseForAnEpsilon() throws {
    let noise = try #require(
      PrivacyAccountant.noiseMultiplier(epsilon: 2, delta: 1e-5, rounds: 500, share: 0.1))
    #expect(spent(0.1, noise, 500).epsilon(delta: 1e-5) <= 2)
    #expect(spent(0.1, noise * 0.99, 500).epsilon(delta: 1e-5) > 2)
    #expect(PrivacyAccountant.noiseMultiplier(epsilon: 1e-9, delta: 1e-5, rounds: 500, share: 1) == nil)
  }
}
