import NodeTesting
import Testing

@testable import CanaryCore

/// The tests by which rollouts are judged: what they claim, on their own and over whole rollouts.
@Suite struct EvidenceTests {
  @Test func logarithmsAreRight() {
    for (number, logarithm) in [
      (1.0, 0.0), (2, 0.693147180559945), (0.01, -4.605170185988091), (1e300, 690.775527898214),
    ] {
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
      var mean = 0.0, logChance = Double(n) * Logarithm.of(1 - limit)
      for k in 0...n {
        mean += Logarithm.power(logChance + Evidence.againstLimit(limit, all: Int64(n), bad: Int64(k)))
        logChance += Logarithm.of(Double(max(1, n - k)) / Double(k + 1) * limit / (1 - limit))
      }
      #expect(abs(mean - 1) < 1e-9)
    }
  }

  /// Few terms and many are summed up in two ways.
  @Test func bothSumsAreTheSame() {
    let few = Evidence.fewSums(200, 800, 15, 0...15, 1.5)
    let many = Evidence.manySums(200, 800, 15, 0...15, Logarithm.of(1.5))
    #expect(few.count == 9 && zip(few, many).allSatisfy { abs($0 - $1) < 1e-9 })
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
    var finished = 0
    var windowsToRollback: [Int] = []
  }

  /// Rollouts whose windows have 400 requests each; judged after each window.
  private func rollouts(
    _ count: Int, canary: Double, baseline: Double, steps: JSON, windowsOfStep: Int64, seed: UInt64
  ) throws -> Outcome {
    var random = SplitMix(state: seed)
    var outcome = Outcome()
    let request = try StartRequest([
      "version": "v2", "steps": steps, "every_ms": .int(windowsOfStep * 1_000), "metrics": ["error_rate<1%"],
    ])
    let begun = try StateTests.state([("v1", 100)]).starting(request, 0)
    var states = [begun]
    while let last = states.last, last.rollout != nil {
      states.append(try last.advancing(.step, by: "", why: "", numbers: .null, 0))
    }
    for _ in 0..<count {
      var counting = Counting()
      var step = 0, passed: Int64 = 0, windows = 0
      counting.follow(begun.rollout)
      counting.early = 0
      while let rollout = states[step].rollout, windows < 400 {
        windows += 1
        passed += 1
        let mine = Int64(400 * states[step].share(of: "v2").fraction)
        var own = Tally(), other = Tally()
        (own.requests, own.failures) = (mine, random.binomial(mine, canary))
        (other.requests, other.failures) = (400 - mine, random.binomial(400 - mine, baseline))
        counting.close(["v2": own, "v1": other], rollout)
        let verdict = Judge(rollout, counting, elapsedMs: passed * 1_000, hasBaseline: true).verdict
        if case .fail = verdict {
          outcome.windowsToRollback.append(windows)
          break
        }
        guard case .pass = verdict else { continue }
        step += 1
        counting.follow(states[step].rollout)
        passed = 0
      }
      if states[step].rollout == nil { outcome.finished += 1 }
    }
    return outcome
  }

  /// Alpha is 1 %, so of 5,000 rollouts of good versions at most 50 may be rolled back, but for chance: 82 is 4.5
  /// standard deviations above. A version that errs as the baseline does, and more than its limit, is good too.
  @Test(arguments: [(0.005, 1), (0.02, 2)])
  func goodVersionsPass(_ rate: Double, _ seed: UInt64) throws {
    let outcome = try rollouts(5_000, canary: rate, baseline: rate, steps: [10, 50], windowsOfStep: 12, seed: seed)
    let rolledBack = outcome.windowsToRollback.count
    #expect(rolledBack <= 82)
    if rate < 0.01 { #expect(outcome.finished == 5_000 - rolledBack) }
    print(
      "good versions with \(JSON.double(rate * 100)) % errors and a limit of 1 %: \(rolledBack) of 5000 rolled back")
  }

  /// Within how many windows a version with so many times the limit's errors is rolled back, 99 times of 100.
  @Test(arguments: [(3.0, 110), (5.0, 35), (10.0, 15), (30.0, 6)])
  func badVersionsDoNot(_ times: Double, _ windows: Int) throws {
    let outcome = try rollouts(
      200, canary: 0.01 * times, baseline: 0.002, steps: [5, 25, 50, 75], windowsOfStep: 20, seed: UInt64(times))
    #expect(outcome.finished == 0)
    let sorted = outcome.windowsToRollback.sorted()
    #expect(sorted.count == 200 && sorted[197] <= windows)
    print("\(times) times the limit's errors: rolled back after \(sorted[100]) windows (median), \(sorted[197]) (99 %)")
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
    var chance = Logarithm.power(Double(n) * Logarithm.of(1 - p))
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
