internal import NodeKit

/// What is counted of elections.
struct ElectorMeasures {
  private let term: Gauge
  private let leading: Gauge
  private let changes: Counter
  private let without: Histogram
  /// Since when nobody leads, as far as this node knows.
  private var lostAt: Int64?
  private var leader: Int?

  init(_ metrics: Metrics) {
    term = metrics.gauge("elector_term", "The latest term that this node knows.")
    leading = metrics.gauge("elector_leading", "1 while this node leads.")
    changes = metrics.counter("elector_leader_changes_total", "How often another node began to lead.")
    without = metrics.histogram(
      "elector_without_leader_seconds", "How long there was no leader, each time.",
      bounds: [0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 30, 60])
  }

  mutating func standing(_ standing: Standing, at now: Int64) {
    term.set(Double(standing.term))
    leading.set(standing.state == .leading ? 1 : 0)
    guard let new = standing.leader else {
      lostAt = lostAt ?? now
      return
    }
    if let since = lostAt { without.observe(.nanoseconds(now - since)) }
    lostAt = nil
    if new != leader { changes.add() }
    leader = new
  }
}
