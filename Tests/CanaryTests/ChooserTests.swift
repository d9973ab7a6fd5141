import NodeTesting
import Testing

@testable import CanaryCore

/// Who gets which version, and who moves when shares change.
@Suite struct ChooserTests {
  private static let users = (0..<100_000).map { Predictor.hash("user-\($0)") }

  private func places(_ state: RoutingState, seed: UInt64 = 1) -> [Int] {
    var chooser = Chooser(state, seed: seed)
    return Self.users.map { chooser.choose($0) { _ in nil } }
  }

  private func counts(_ places: [Int], _ versions: Int) -> [Int] {
    places.reduce(into: [Int](repeating: 0, count: versions)) { $0[$1] += 1 }
  }

  /// 4.5 standard deviations: a chance of 7 in a million.
  private func isWithinBinomialBound(_ count: Int, _ share: Double) -> Bool {
    let n = Double(Self.users.count)
    return abs(Double(count) - n * share) <= 4.5 * (n * share * (1 - share)).squareRoot()
  }

  @Test(arguments: [[99.0, 1], [90, 10], [50, 30, 20], [0, 100], [87.5, 12.5]])
  func splitsByShare(_ shares: [Double]) throws {
    let state = try StateTests.state(shares.enumerated().map { ("v\($0.offset)", $0.element) })
    for (count, share) in zip(counts(places(state), shares.count), shares) {
      #expect(isWithinBinomialBound(count, share / 100))
    }
    // And at random, without a key.
    var chooser = Chooser(state, seed: 7)
    let random = Self.users.map { _ in chooser.choose(nil) { _ in nil } }
    for (count, share) in zip(counts(random, shares.count), shares) {
      #expect(isWithinBinomialBound(count, share / 100))
    }
  }

  @Test func isTheSameEverywhere() throws {
    let state = try StateTests.state([("v1", 60), ("v2", 40)])
    #expect(places(state, seed: 1) == places(state, seed: 99))
    // For ever: users keep their version when the node gets a new build.
    #expect(counts(places(state), 2)[0] == 59_748)
  }

  @Test func aRolloutMovesUsersOnlyToTheCanary() throws {
    var state = try StateTests.state([("a", 50), ("b", 30), ("c", 20)])
    state = try state.starting(StartRequest(["version": "d", "steps": [1, 5, 25, 50, 100]]), 0)
    var before = places(state)
    for _ in 0..<4 {
      let share = state.share(of: "d")
      state = try state.advancing(.step, by: "", why: "", numbers: .null, 0)
      let after = places(state)
      let moved = zip(before, after).filter { $0 != $1 }
      // Shares are whole millionths, so of others a few in a million may move as well.
      #expect(moved.count { $0.1 != 3 } <= 1)
      #expect(isWithinBinomialBound(moved.count, state.share(of: "d").fraction - share.fraction))
      before = after
    }
  }

  /// Bavarian and others 2016: at most 2d / (1 + d), where d is what shares grow by.
  @Test func anyChangeMovesFew() throws {
    let before = try StateTests.state([("a", 50), ("b", 30), ("c", 20)])
    let after = try before.setting(["weights": ["a": 20, "b": 35, "c": 45]], 0)
    let d = 0.3
    let moved = zip(places(before), places(after)).count { $0 != $1 }
    #expect(Double(moved) >= 0.98 * d * 100_000)
    #expect(Double(moved) <= 2 * d / (1 + d) * 100_000 * 1.02)
  }

  @Test func rulesGoFirst() throws {
    let state = try StateTests.state([("v1", 100), ("v2", 0)]).setting(
      ["match": [["header": "X-Beta", "prefix": "y", "versions": ["v2"]]]], 0)
    var chooser = Chooser(state, seed: 1)
    #expect(chooser.choose(1) { $0 == "x-beta" ? "yes" : nil } == 1)
    #expect(chooser.choose(1) { $0 == "x-beta" ? "no" : nil } == 0)
    #expect(chooser.choose(nil) { _ in nil } == 0)
  }
}
