import FuzzSupport
import NodeKit
import Testing

@testable import SecureSum

@Suite struct SecureRoundTests {
  static func updates(_ count: Int, of numbers: Int) -> [[Float]] {
    var dice = SplitMix(state: 5)
    return (0..<count).map { _ in (0..<numbers).map { _ in Float(dice.unit() * 2 - 1) } }
  }

  static func round(_ count: Int, threshold: Int, numbers: Int = 100) throws -> SecureRoundRun {
    let plan = try SecurePlan(
      round: "s/1", threshold: threshold, participants: count, count: numbers, range: 1, weightLimit: 50)
    return SecureRoundRun(
      plan: plan, updates: updates(count, of: numbers), weights: (0..<count).map { 1 + $0 * 49 / count })
  }

  /// Whoever leaves, and whenever: the sum is exactly that of those who brought their numbers, or there is none.
  @Test func everyOneOfFourLeavesAtEveryPoint() throws {
    let run = try Self.round(4, threshold: 3)
    var sums = 0
    for number in 0..<625 {
      let leaves = [1, 5, 25, 125].map { SecureRoundRun.Leaves(rawValue: number / $0 % 5)! }
      let staying = leaves.count { $0 == .never }
      guard staying >= 3 else {
        #expect(throws: RoleError.self, "\(leaves)") { try run.run(leaves) }
        continue
      }
      sums += 1
      let outcome = try run.run(leaves)
      let members = (0..<4).filter { leaves[$0].rawValue >= SecureRoundRun.Leaves.afterNumbers.rawValue }
      #expect(outcome.survivors == members.map(SecureRoundRun.name))
      #expect(outcome.weight == UInt32(members.reduce(0) { $0 + run.weights[$1] }))
      #expect(outcome.mean == run.plainMean(of: members), "\(leaves)")
    }
    // One of four leaves at one of four points, or nobody does.
    #expect(sums == 17)
  }

  @Test func manyTakePart() throws {
    let run = try Self.round(70, threshold: 40, numbers: 5000)
    var leaves = [SecureRoundRun.Leaves](repeating: .never, count: 70)
    for index in stride(from: 0, to: 70, by: 5) { leaves[index] = .allCases[index / 5 % 4] }
    let outcome = try run.run(leaves)
    let members = (0..<70).filter { leaves[$0].rawValue >= 3 }
    #expect(outcome.mean == run.plainMean(of: members))
    let weight = members.reduce(0) { $0 + run.weights[$1] }
    for place in 0..<5000 {
      let exact = members.reduce(0.0) { $0 + Double(run.updates[$1][place]) * Double(run.weights[$1]) } / Double(weight)
      #expect(abs(Double(outcome.mean[place]) - exact) < 1e-7)
    }
  }

  /// The greatest numbers and weights that are allowed do not go over.
  @Test func nothingOverflows() throws {
    var run = try Self.round(5, threshold: 3)
    run.weights = [50, 50, 50, 50, 50]
    run.updates = run.updates.map { _ in [Float](repeating: 1, count: 50) + [Float](repeating: -7, count: 50) }
    let outcome = try run.run(Array(repeating: .never, count: 5))
    #expect(outcome.mean.prefix(50).allSatisfy { abs($0 - 1) < 1e-6 })
    #expect(outcome.mean.suffix(50).allSatisfy { abs($0 + 1) < 1e-6 }, "what is too great is cut")
    #expect(outcome.weight == 250)
  }

  /// Pearson's statistic of the bytes; of chance it is 255 on average, with a deviation of 22.6.
  private func unevenness(_ words: ArraySlice<UInt32>) -> Double {
    var counts = [Double](repeating: 0, count: 256)
    for word in words { for shift in [0, 8, 16, 24] as [UInt32] { counts[Int(word >> shift & 255)] += 1 } }
    let expected = Double(4 * words.count) / 256
    return counts.reduce(0) { $0 + ($1 - expected) * ($1 - expected) / expected }
  }

  @Test func maskedNumbersSayNothing() throws {
    var run = try Self.round(3, threshold: 2, numbers: 40_000)
    run.updates = run.updates.map { $0.map { $0 * 1e-4 } }
    let masked = try run.run([.never, .never, .never]).masked
    for words in masked.values { #expect(unevenness(words[...]) < 255 + 6 * 22.6) }
    // Those of two are still masked, by what they have in common with the third; the statistic tells it from none.
    let two = zip(masked["trainer-0"]!, masked["trainer-1"]!).map { $0 &+ $1 }
    #expect(unevenness(two[...]) < 255 + 6 * 22.6)
    let plain = try SecureMasking(plan: run.plan, streams: MaskStreams()).mask(run.updates[0], weight: 1).bytes
    #expect(plain.withUnsafeBytes { unevenness(Array($0.bindMemory(to: UInt32.self))[...]) } > 10_000)
  }

  @Test func whateverComes() throws { try fuzz("secure-sum", fuzzSecureSum) }
}

struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
  mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }
}
