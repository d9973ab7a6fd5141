internal import NodeKit

/// What is counted of transactions.
struct CoordinatorMeasures {
  private let committed: Counter
  private let aborted: Counter
  private let heuristics: Counter
  private let damaged: Counter
  private let open: Gauge
  private let inDoubt: Gauge
  private let coordinates: Gauge
  private let prepare: Histogram
  private let decide: Histogram
  private var counted = CommitProtocol.Counts()

  private static let bounds = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]

  init(_ metrics: Metrics) {
    committed = metrics.counter("coordinator_committed_total", "Transactions that this node has committed.")
    aborted = metrics.counter("coordinator_aborted_total", "Transactions that this node has aborted.")
    heuristics = metrics.counter("coordinator_heuristic_total", "Outcomes that a person has decided on this node.")
    damaged = metrics.counter("coordinator_damaged_total", "Those of them that were wrong.")
    open = metrics.gauge("coordinator_open", "Transactions that this node coordinates and has not decided.")
    inDoubt = metrics.gauge("coordinator_in_doubt", "Transactions of which this node waits for the outcome.")
    coordinates = metrics.gauge("coordinator_leading", "1 while this node coordinates.")
    prepare = metrics.histogram(
      "coordinator_prepare_seconds", "From the first PREPARE to the last vote.", bounds: Self.bounds)
    decide = metrics.histogram(
      "coordinator_decide_seconds", "From the last vote until the outcome is durable.", bounds: Self.bounds)
  }

  func decided(_ decision: Decision) {
    prepare.observe(Double(decision.prepareTook) / 1e6)
    decide.observe(Double(decision.decideTook) / 1e6)
  }

  mutating func show(_ state: CommitProtocol) {
    committed.add(Double(state.counts.committed - counted.committed))
    aborted.add(Double(state.counts.aborted - counted.aborted))
    heuristics.add(Double(state.counts.heuristics - counted.heuristics))
    damaged.add(Double(state.counts.damaged - counted.damaged))
    counted = state.counts
    open.set(Double(state.open.count))
    inDoubt.set(Double(state.local.values.count { $0.isInDoubt }))
    coordinates.set(state.isReady ? 1 : 0)
  }
}
