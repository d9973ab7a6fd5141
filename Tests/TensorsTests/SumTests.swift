import Testing

@testable import Tensors

/// Numbers by a small generator of its own, so that each run has the same.
struct Dice {
  var state: UInt64
  mutating func next() -> UInt64 {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return state >> 33
  }
  mutating func unit() -> Float { Float(next() & 0xFF_FFFF) / Float(1 << 23) - 1 }
}

func buffer(_ count: Int, seed: UInt64, scale: Float = 1) -> FloatBuffer {
  var dice = Dice(state: seed)
  return FloatBuffer((0..<count).map { _ in dice.unit() * scale })
}

@Suite struct SumTests {
  private static let weights: [UInt32] = [1, 7, 600, 60_000, 33, 12, 5, 1, 999, 4]

  private static func mean(_ updates: [FloatBuffer], order: [Int], together: Int) throws -> [Float] {
    let count = updates[0].count, mean = FloatBuffer(count: count)
    var sum = WeightedSum(count: count, weightLimit: 60_000)
    for start in stride(from: 0, to: order.count, by: together) {
      let group = order[start..<min(start + together, order.count)]
      try sum.add(group.map { .init(updates[$0].base, weight: weights[$0]) })
    }
    sum.mean(into: mean.base)
    return mean.array
  }

  @Test func theOrderMakesNoDifference() throws {
    let updates = (0..<10 as Range<UInt64>).map { buffer(3001, seed: $0) }
    let one = try Self.mean(updates, order: Array(0..<10), together: 10)
    for order in [[9, 3, 1, 0, 2, 5, 4, 8, 7, 6], [5, 4, 3, 2, 1, 0, 9, 8, 7, 6]] {
      for together in [1, 3, 10] { #expect(try Self.mean(updates, order: order, together: together) == one) }
    }
    let direct = FloatBuffer(count: 3001)
    let all = updates.indices.map { WeightedSum.Update(updates[$0].base, weight: Self.weights[$0]) }
    try WeightedSum(count: 3001, weightLimit: 60_000).mean(of: all, into: direct.base)
    #expect(direct.array == one)
    let total = Self.weights.reduce(0.0) { $0 + Double($1) }
    for place in 0..<3001 {
      let exact = updates.indices.reduce(0.0) { $0 + Double(updates[$1][place]) * Double(Self.weights[$1]) } / total
      #expect(abs(exact - Double(one[place])) <= 1e-9 + abs(exact) * 1e-7)
    }
  }

  @Test func whatIsTakenAwayLeavesNothing() throws {
    let updates = (0..<4 as Range<UInt64>).map { buffer(100, seed: $0, scale: 60_000) }
    let left = try Self.mean(updates, order: [0, 1, 3], together: 1), mean = FloatBuffer(count: 100)
    var sum = WeightedSum(count: 100, weightLimit: 60_000)
    try sum.add([0, 1, 2, 3].map { .init(updates[$0].base, weight: Self.weights[$0]) })
    sum.remove(.init(updates[2].base, weight: Self.weights[2]))
    sum.mean(into: mean.base)
    #expect(mean.array == left && sum.updates == 3 && sum.weight == 60_008)
  }

  @Test func aKeptSumGoesOn() throws {
    let updates = (0..<4 as Range<UInt64>).map { buffer(77, seed: $0) }, mean = FloatBuffer(count: 77)
    var sum = WeightedSum(count: 77, weightLimit: 60_000), other = WeightedSum(count: 77, weightLimit: 60_000)
    try sum.add([0, 1].map { .init(updates[$0].base, weight: Self.weights[$0]) })
    try sum.withState { try other.restore($0, updates: sum.updates, weight: sum.weight) }
    try other.add([2, 3].map { .init(updates[$0].base, weight: Self.weights[$0]) })
    other.mean(into: mean.base)
    #expect(mean.array == (try Self.mean(updates, order: [3, 2, 1, 0], together: 2)))
    #expect(throws: TensorError.self) {
      try [UInt8](repeating: 0, count: 76 * 8).withUnsafeBytes { try sum.restore($0, updates: 1, weight: 1) }
    }
  }

  @Test(arguments: [Float.nan, .infinity, -.infinity, 70_000]) func badNumbersAreRefusedWhole(_ bad: Float) throws {
    let good = buffer(2000, seed: 1), wrong = buffer(2000, seed: 2), mean = FloatBuffer(count: 2000)
    wrong[1999] = bad
    var sum = WeightedSum(count: 2000, weightLimit: 10)
    #expect(throws: TensorError.self) { try sum.add([.init(good.base, weight: 1), .init(wrong.base, weight: 1)]) }
    #expect(throws: TensorError.self) { try sum.add([.init(good.base, weight: 11)]) }
    #expect(throws: TensorError.self) { try sum.add([.init(good.base, weight: 0)]) }
    #expect(throws: TensorError.self) { try sum.mean(of: [.init(wrong.base, weight: 1)], into: mean.base) }
    #expect(sum.updates == 0)
    try sum.add([.init(good.base, weight: 3)])
    sum.mean(into: mean.base)
    #expect((0..<2000).allSatisfy { abs(mean[$0] - good[$0]) < 1e-9 })
  }

  @Test func theMostUpdatesOfTheGreatestNumbersFit() throws {
    let most = FloatBuffer([Float](repeating: WeightedSum.valueLimit, count: 3)), mean = FloatBuffer(count: 3)
    var sum = WeightedSum(count: 3, weightLimit: .max)
    for _ in 0..<WeightedSum.updateLimit { try sum.add([.init(most.base, weight: .max)]) }
    sum.mean(into: mean.base)
    #expect(mean.array == [65_536, 65_536, 65_536])
    #expect(throws: TensorError.self) { try sum.add([.init(most.base, weight: 1)]) }
  }
}

@Suite struct RobustTests {
  private static func reference(_ updates: [FloatBuffer], cut: Int, _ place: Int) -> Float {
    let row = updates.map { Double($0[place]) }.sorted()[cut..<(updates.count - cut)]
    return Float(row.reduce(0, +) / Double(row.count))
  }

  @Test(arguments: [1, 2, 3, 4, 9, 10]) func trimmedMeansAndMedians(_ clients: Int) throws {
    let updates = (0..<UInt64(clients)).map { buffer(200, seed: $0) }
    let median = try Robust.median(updates), cut = (clients - 1) / 2
    #expect((0..<200).allSatisfy { median[$0] == Self.reference(updates, cut: cut, $0) })
    guard clients > 4 else { return }
    let trimmed = try Robust.trimmedMean(updates, cut: 2)
    #expect((0..<200).allSatisfy { trimmed[$0] == Self.reference(updates, cut: 2, $0) })
  }

  @Test func twoOfTenThatLieChangeLittle() throws {
    let honest = (0..<8 as Range<UInt64>).map { buffer(500, seed: $0, scale: 0.01) }
    let updates = honest + (8..<10 as Range<UInt64>).map { buffer(500, seed: $0, scale: 60_000) }
    let trimmed = try Robust.trimmedMean(updates, cut: 2), median = try Robust.median(updates)
    #expect((0..<500).allSatisfy { abs(trimmed[$0]) <= 0.01 && abs(median[$0]) <= 0.01 })
    #expect(try Robust.krum(updates, faulty: 2, keep: 8).sorted() == Array(0..<8))
  }

  @Test func tooFewAreRefused() {
    let updates = (0..<4 as Range<UInt64>).map { buffer(5, seed: $0) }
    #expect(throws: TensorError.self) { try Robust.trimmedMean(updates, cut: 2) }
    #expect(throws: TensorError.self) { try Robust.krum(updates, faulty: 1) }
    #expect(throws: TensorError.self) { try Robust.median([]) }
    #expect(throws: TensorError.self) { try Robust.median([buffer(3, seed: 1), buffer(4, seed: 1)]) }
  }
}

/// One step and a second one, by the formulas of "Adaptive Federated Optimization", algorithms 1 and 2.
@Suite struct ServerOptimizerTests {
  @Test func eachRuleFollowsItsFormula() {
    let tau = 1e-3, start = 0.5, means = [0.7, 0.4]
    func run(_ rule: ServerOptimizer.Rule) -> [Double] {
      let model = FloatBuffer([Float(start)]), optimizer = ServerOptimizer(.init(rule))
      let moments = optimizer.keepsMoments ? FloatBuffer([0, optimizer.secondMoment]) : nil
      return means.map { mean in
        optimizer.step(model, towards: FloatBuffer([Float(mean)]), moments: moments, count: 1)
        return Double(model[0])
      }
    }
    func expected(_ rate: Double, _ share: Double, _ moment: ((Double, Double) -> Double)?) -> [Double] {
      var (x, m, v) = (start, 0.0, tau * tau)
      return means.map { mean in
        let delta = mean - x
        m = 0.9 * m + share * delta
        if let moment { v = moment(v, delta * delta) }
        x += rate * (moment == nil ? m : m / (v.squareRoot() + tau))
        return x
      }
    }
    func agree(_ one: [Double], _ other: [Double]) -> Bool { zip(one, other).allSatisfy { abs($0 - $1) < 1e-5 } }
    #expect(agree(run(.fedavg), means))
    #expect(agree(run(.fedavgm), expected(1, 1, nil)))
    #expect(agree(run(.fedadagrad), expected(0.1, 0.1) { $0 + $1 }))
    #expect(agree(run(.fedadam), expected(0.1, 0.1) { 0.99 * $0 + 0.01 * $1 }))
    #expect(agree(run(.fedyogi), expected(0.1, 0.1) { $0 - 0.01 * $1 * ($0 > $1 ? 1 : -1) }))
  }
}
