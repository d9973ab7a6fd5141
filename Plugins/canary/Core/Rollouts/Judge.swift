public import NodeKit

/// Decides, from what all nodes have counted, whether a rollout goes on.
///
/// It *fails* when a metric is worse than its limit and worse than the baseline, each at a level of alpha / 2m over
/// the whole rollout (m metrics), by the anytime-valid tests of ``Evidence``; while the baseline gets no requests,
/// worse than its limit in this step, at alpha / 2m again. So a good version is rolled back with a chance of at most
/// alpha, however often one looks. A step *passes* when its time is over, the canary has had enough requests, and no
/// metric leans to failing: none is above both its limit and the baseline in what this step has counted. Everything
/// else *holds*; too little data never passes.
public struct Judge {
  public enum Verdict: Sendable, Equatable {
    case hold(String)
    case pass(String)
    case fail(String)
    /// It cannot tell for too long, or its source of data is broken: somebody must look.
    case pause(String)
  }

  /// What is known of one metric.
  public struct Finding: Sendable, Equatable {
    public var metric: Metric
    public var canary: Double?
    public var baseline: Double?
    /// ln of the evidence, and of what it would take.
    public var againstLimit: Double?
    public var againstBaseline: Double?
    public var needed: Double = 0
    public var fails = false
    public var leans = false
    /// Why nothing can be said yet.
    public var missing: String?
    public var broken: String?
  }

  public let rollout: Rollout
  public let counts: Counting
  /// By the metric's text.
  public let measured: [String: Measurement]
  public let elapsedMs: Int64
  public let hasBaseline: Bool

  public init(
    _ rollout: Rollout, _ counts: Counting, measured: [String: Measurement] = [:], elapsedMs: Int64, hasBaseline: Bool
  ) {
    (self.rollout, self.counts, self.measured, self.elapsedMs) = (rollout, counts, measured, elapsedMs)
    self.hasBaseline = hasBaseline
  }

  public var findings: [Finding] {
    var place = -1
    return rollout.metrics.map { metric in
      switch metric.kind {
      case .proportion(let bad, let limit, let factor):
        place += 1
        return proportion(metric, bad, limit, factor, counts.evidence[place])
      case .prometheus, .webhook: return fromElsewhere(metric)
      }
    }
  }

  /// The evidence that each proportion needs.
  private var needed: Double { Logarithm.of(2 * Double(rollout.proportions.count) / rollout.alpha) }

  private func proportion(
    _ metric: Metric, _ bad: Metric.Bad, _ limit: Double?, _ factor: Double, _ evidence: [Double]
  ) -> Finding {
    var finding = Finding(metric: metric)
    finding.needed = needed
    let own = (counts.ofStep[rollout.canary] ?? Tally()).count(bad)
    let other = (counts.ofStep[rollout.baseline] ?? Tally()).count(bad)
    finding.canary = Self.rate(own)
    finding.baseline = Self.rate(other)
    if own.all < rollout.minSamples { finding.missing = "\(own.all) of \(rollout.minSamples) requests" }
    let isAboveLimit = limit.map { (finding.canary ?? 0) > $0 } ?? true
    guard hasBaseline else {
      guard let limit else { return finding }
      let log = Evidence.againstLimit(limit, all: own.all, bad: own.bad)
      finding.againstLimit = log
      finding.fails = log >= needed
      finding.leans = isAboveLimit
      return finding
    }
    let total = (counts.total[rollout.canary] ?? Tally()).count(bad)
    finding.againstLimit = limit.map { Evidence.againstLimit($0, all: total.all, bad: total.bad) }
    finding.againstBaseline = Evidence.mixed(evidence)
    finding.fails = min(finding.againstLimit ?? .infinity, finding.againstBaseline!) >= needed
    finding.leans = isAboveLimit && Self.odds(own) > factor * Self.odds(other)
    return finding
  }

  private static func rate(_ count: (all: Int64, bad: Int64)) -> Double? {
    count.all == 0 ? nil : Double(count.bad) / Double(count.all)
  }

  private static func odds(_ count: (all: Int64, bad: Int64)) -> Double {
    count.all == 0 ? 0 : count.bad == count.all ? .infinity : Double(count.bad) / Double(count.all - count.bad)
  }

  private func fromElsewhere(_ metric: Metric) -> Finding {
    var finding = Finding(metric: metric)
    guard let known = measured[metric.text] else {
      finding.missing = "not measured yet"
      return finding
    }
    finding.canary = known.value
    finding.fails = known.badInRow >= rollout.failureLimit
    finding.leans = known.badInRow > 0
    if known.errorsInRow >= rollout.errorLimit {
      finding.broken = "\(known.errorsInRow) errors in a row: \(known.lastError)"
    } else if known.errorsInRow > 0 {
      finding.missing = known.lastError
    }
    return finding
  }

  public var verdict: Verdict {
    let findings = findings
    if let bad = findings.first(where: \.fails) { return .fail(why(bad)) }
    if let broken = findings.first(where: { $0.broken != nil }) {
      return .pause("\(broken.metric.text) cannot be measured: \(broken.broken!)")
    }
    guard elapsedMs >= rollout.everyMs else {
      return .hold(
        "step \(rollout.step + 1) of \(rollout.steps.count) ends in \((rollout.everyMs - elapsedMs + 999) / 1000) s")
    }
    if let leaning = findings.first(where: \.leans) {
      let words = "\(numbers(leaning)): worse than it should be, but that may be chance"
      let isLate = rollout.inconclusiveMs > 0 && elapsedMs >= rollout.everyMs + rollout.inconclusiveMs
      return isLate ? .pause("inconclusive: " + words) : .hold(words)
    }
    if let missing = findings.first(where: { $0.missing != nil }) {
      return .hold("\(missing.metric.text): too little data, \(missing.missing!)")
    }
    let requests = counts.ofStep[rollout.canary]?.requests ?? 0
    guard requests >= rollout.minSamples else {
      return .hold("too little data: the canary has had \(requests) of \(rollout.minSamples) requests")
    }
    return .pass(findings.isEmpty ? "its time is over" : findings.map(numbers).joined(separator: "; "))
  }

  private func why(_ finding: Finding) -> String {
    guard case .proportion = finding.metric.kind else {
      let bad = measured[finding.metric.text]?.badInRow ?? 0
      return "\(numbers(finding)): \(bad) bad measurements in a row"
    }
    return "\(numbers(finding)); chance is ruled out at \(JSON.double(rollout.alpha * 100)) %"
  }

  private func numbers(_ finding: Finding) -> String {
    func words(_ number: Double?) -> String {
      guard let number else { return "-" }
      guard case .proportion = finding.metric.kind else { return "\(JSON.double(number))" }
      return "\(JSON.double((number * 1e5).rounded() / 1e3)) %"
    }
    var text = "\(finding.metric.text): \(rollout.canary) \(words(finding.canary))"
    if case .proportion(.slower(let limit), _, _) = finding.metric.kind {
      text += " slower than \(LatencyBounds.words(limit))"
    }
    if let baseline = finding.baseline { text += ", \(rollout.baseline) \(words(baseline))" }
    return text
  }

  /// For the history and the status.
  public var numbers: JSON {
    .array(
      findings.map { finding in
        func rounded(_ number: Double?) -> JSON { number.map { .double(($0 * 1e6).rounded() / 1e6) } ?? .null }
        let own = counts.ofStep[rollout.canary]?.requests ?? 0
        return .sparse([
          ("metric", .string(finding.metric.text)), ("canary", rounded(finding.canary)),
          ("baseline", rounded(finding.baseline)), ("requests", .int(own)),
          ("evidence_limit", rounded(finding.againstLimit)), ("evidence_baseline", rounded(finding.againstBaseline)),
          ("evidence_needed", finding.needed == 0 ? .null : rounded(finding.needed)),
          ("missing", finding.missing.map { .string($0) } ?? .null),
          ("broken", finding.broken.map { .string($0) } ?? .null),
        ])
      })
  }
}
