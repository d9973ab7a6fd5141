import NodeTesting
import Testing

@testable import CanaryCore

/// The tests by which rollouts are judged: what they claim, on their own and over whole rollouts.
@Suite struct EvidenceTests {
  @Test func logarithmsAreRight() {
    for (number, logarithm) in [(1.0, 0.0), (2, 0.693147180559945), (0.01, -4.605170185988091), (1e300, 690.775527898214)] {
      #expect(abs(Logarithm.of(number) - logarithm) < 1e-12 * max(1, abs(logarithm)))
      #expect(abs(Logarithm.power(logarithm) / number - 1) < 1e-11)
    }
  }

  /// The mean of an e-value is at most 1 (Ramdas and others 2023, 2): here over all outcomes of a window, weighted by
  /// the hypergeometric distribution, for each alternative; exactly 1, as the null is a point given the margins.
  @Test(arguments: [(100, 900, 7), (3, 5, 4), (50, 50, 60), (1, 1, 1), (1000, 10, 12)])
  func aWindowIsAnEValue(_ canary: Int64, _ baseline: Int64, _ bad: Int64) {
    func choose(_ n: Int64, _ k: Int64) -> Double {
      k < 0 || k > n ? 0 : (0..<k).reduce(1.0) { $0 * Double(n - $1) / Double($1 + 1) }
    }
    for (place, _) in Evidence.alternatives.enumerated() {
      var mean = 0.0, whole = 0.0
      for mine in max(0, bad - baseline)...min(bad, canary) {
        let chance = choose(canary, mine) * choose(baseline, bad - mine)
        let logs = Evidence.ofWindow(canary: (canary, mine), baseline: (baseline, bad - mine), factor: 1)
        mean += chance * Logarithm.power(logs[place])
        whole += chance
      }
      #expect(abs(mean / whole - 1) < 1e-9)
    }
  }

  /// At the limit the mean over all sequences is 1.
  @Test func theLimitIsAnEValue() {
    for (limit, n) in [(0.01, 200), (0.3, 20)] {
      var mean = 0.0, chance = Logarithm.power(Double(n) * Logarithm.of(1 - limit))
      for k in 0...n {
        mean += chance * Logarithm.power(Evidence.againstLimit(limit, all: Int64(n), bad: Int64(k)))
        chance *= Double(n - k) / Double(k + 1) * limit / (1 - limit)
      }
      #expect(abs(mean - 1) < 1e-6)
    }
  }

  @Test func aRateThatRisesForBothIsNoEvidence() {
    var logs = Evidence.none
    for second in 0..<300 {
      let rate: Int64 = second < 150 ? 1 : 20
      let new = Evidence.ofWindow(canary: (100, rate), baseline: (900, 9 * rate), factor: 1)
      for place in logs.indices { logs[place] += new[place] }
    }
    #expect(Evidence.mixed(logs) < 0)
  }

  // MARK: Whole rollouts

  struct Outcome {
    var rolledBack = 0
    var finished = 0
    var windowsToRollback: [Int] = []
  }

  /// Rollouts of four steps with 20 windows each, in which a window has 400 requests; judged after each window.
  private func rollouts(_ count: Int, canary: Double, baseline: Double, limit: String, seed: UInt64) throws -> Outcome {
    var random = SplitMix(state: seed)
    var outcome = Outcome()
    let request = try StartRequest(["version": "v2", "steps": [5, 25, 50, 75], "every_ms": 20_000, "metrics": [.string(limit)]])
    let begun = try StateTests.state([("v1", 100)]).starting(request, 0)
    for _ in 0..<count {
      var state = begun
      var counting = Counting()
      var passed = 0, windows = 0
      counting.follow(state.rollout)
      while let rollout = state.rollout, windows < 400 {
        windows += 1
        passed += 1
        let mine = Int64(400 * state.share(of: "v2").fraction)
        var window: [String: Tally] = [:]
        for (id, requests, rate) in [("v2", mine, canary), ("v1", 400 - mine, baseline)] {
          var tally = Tally()
          tally.requests = requests
          tally.failures = random.binomial(requests, rate)
          window[id] = tally
        }
        counting.close(window, rollout)
        switch Judge(rollout, counting, elapsedMs: Int64(passed) * 1_000, hasBaseline: true).verdict {
        case .fail:
          outcome.rolledBack += 1
          outcome.windowsToRollback.append(windows)
          state.rollout = nil
        case .pass:
          state = try state.advancing(.step, by: "", why: "", numbers: .null, 0)
          if state.rollout == nil { outcome.finished += 1 }
          counting.follow(state.rollout)
          passed = 0
        case .hold, .pause: break
        }
      }
    }
    return outcome
  }

  /// Alpha is 1 %, so of 10,000 rollouts of good versions at most 100 may be rolled back, but for chance: 145 is
  /// 4.5 standard deviations above. A version that errs as the baseline does, and more than its limit, is good too.
  @Test func goodVersionsPass() throws {
    let good = try rollouts(5_000, canary: 0.005, baseline: 0.005, limit: "error_rate<1%", seed: 1)
    #expect(good.rolledBack <= 5)
    #expect(good.finished == 5_000 - good.rolledBack)
    let asBad = try rollouts(5_000, canary: 0.02, baseline: 0.02, limit: "error_rate<1%", seed: 2)
    #expect(asBad.rolledBack <= 82)
    print(
      "rollouts of good versions rolled back: \(good.rolledBack) of 5000 at half the limit,",
      "\(asBad.rolledBack) of 5000 at twice the limit, as the baseline")
  }

  /// Within how many windows a version with so many times the limit's errors is rolled back, 99 times of 100.
  @Test(arguments: [(3.0, 60), (5.0, 35), (10.0, 25), (30.0, 12)])
  func badVersionsDoNot(_ times: Double, _ windows: Int) throws {
    let outcome = try rollouts(500, canary: 0.01 * times, baseline: 0.002, limit: "error_rate<1%", seed: UInt64(times))
    #expect(outcome.finished == 0)
    let sorted = outcome.windowsToRollback.sorted()
    #expect(sorted.count == 500 && sorted[494] <= windows)
    print("with \(times) times the limit's errors: rolled back after \(sorted[250]) windows (median), \(sorted[494]) (99 %)")
  }
}

/// Numbers for simulated rollouts, from a seed.
struct SplitMix {
  var state: UInt64

  mutating func next() -> Double {
    state &+= 0x9E37_79B9_7F4A_7C15
    var number = state
    number = (number ^ number >> 30) &* 0xBF58_476D_1CE4_E5B9
    number = (number ^ number >> 27) &* 0x94D0_49BB_1331_11EB
    return Double((number ^ number >> 31) >> 11) * 0x1p-53
  }

  /// By inversion: walks up the distribution.
  mutating func binomial(_ n: Int64, _ p: Double) -> Int64 {
    guard n > 0 else { return 0 }
    var chance = (0..<n).reduce(1.0) { product, _ in product * (1 - p) }
    var sum = chance, count: Int64 = 0
    let draw = next()
    while sum < draw, count < n {
      chance *= Double(n - count) / Double(count + 1) * p / (1 - p)
      sum += chance
      count += 1
    }
    return count
  }
}
