import Testing

@testable import Privacy

@Suite struct NoiseTests {
  private func noise(_ seed: UInt8, deviation: Double = 1, count: Int, first: Int = 0) -> [Float] {
    var values = [Float](repeating: 0, count: count)
    GaussianNoise(seed: [UInt8](repeating: seed, count: 32), deviation: deviation)
      .add(to: &values, first: first, count: count)
    return values
  }

  /// Kolmogorov's and Smirnov's distance to the normal distribution; above 1.95 / sqrt(n) it is one by chance in a
  /// thousand times. The distribution's values are those of tables.
  @Test func noiseIsNormal() {
    let count = 200_000, values = noise(1, deviation: 3, count: count).sorted()
    let table: [(Double, Double)] = [
      (-3, 0.0013498980), (-2.5, 0.0062096653), (-2, 0.0227501319), (-1.5, 0.0668072013), (-1, 0.1586552539),
      (-0.5, 0.3085375387), (0, 0.5), (0.5, 0.6914624613), (1, 0.8413447461), (1.5, 0.9331927987), (2, 0.9772498681),
      (2.5, 0.9937903347), (3, 0.9986501020),
    ]
    for (place, wanted) in table {
      let share = Double(values.count { Double($0) < 3 * place }) / Double(count)
      #expect(abs(share - wanted) < 1.95 / Double(count).squareRoot())
    }
    let mean = values.reduce(0.0) { $0 + Double($1) } / Double(count)
    let fourth = values.reduce(0.0) { $0 + Double($1) * Double($1) * Double($1) * Double($1) } / Double(count) / 81
    #expect(abs(mean) < 0.03 && abs(fourth - 3) < 0.1)
    // What is beside one another has nothing to do with it.
    let inOrder = noise(1, count: count)
    let product = zip(inOrder, inOrder.dropFirst()).reduce(0.0) { $0 + Double($1.0) * Double($1.1) } / Double(count)
    #expect(abs(product) < 0.01)
  }

  @Test func theSameSeedIsTheSameNoise() {
    let whole = noise(2, count: 5001)
    #expect(noise(2, count: 5001) == whole && noise(3, count: 5001) != whole)
    for first in [8, 1024, 4096] { #expect(noise(2, count: 5001 - first, first: first) == Array(whole[first...])) }
  }

  @Test func longUpdatesAreShortened() {
    let base: [Float] = (0..<1000).map { Float($0 % 7) }
    var near = base, far = base
    for place in near.indices { (near[place], far[place]) = (base[place] + 0.01, base[place] - 1) }
    let kept = near
    #expect(abs(Clipping.clip(&near, base: base, to: 1, count: 1000) - 0.1 * 10.0.squareRoot()) < 1e-4)
    #expect(near == kept)
    #expect(abs(Clipping.clip(&far, base: base, to: 1, count: 1000) - 1000.0.squareRoot()) < 1e-4)
    let length = zip(far, base).reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }.squareRoot()
    #expect(abs(length - 1) < 1e-4 && far[3] < base[3])
    var broken = base
    broken[17] = .infinity
    Clipping.clip(&broken, base: base, to: 1, count: 1000)
    #expect(broken == base)
  }
}
