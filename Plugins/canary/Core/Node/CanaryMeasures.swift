internal import NodeKit

/// What is counted of routing.
final class CanaryMeasures {
  private let metrics: Metrics
  private let version: Gauge
  let decisions: Counter
  let rollbacks: Counter
  let stale: Gauge
  private var shares: [String: Gauge] = [:]

  init(_ metrics: Metrics) {
    self.metrics = metrics
    version = metrics.gauge("canary_state_version", "The version of the routing state that this node serves.")
    decisions = metrics.counter(
      "canary_decisions_total", "Changes of the state that this node has proposed and that were made.")
    rollbacks = metrics.counter("canary_rollbacks_total", "Rollouts that this node has rolled back.")
    stale = metrics.gauge("canary_stale", "1 while the node's state may be older than the cluster's.")
  }

  func show(_ state: RoutingState) {
    version.set(Double(state.version))
    for id in shares.keys where state.release(id) == nil { shares[id]?.set(0) }
    for release in state.releases {
      if shares[release.id] == nil, shares.count < 256 {
        shares[release.id] = metrics.gauge(
          "canary_share", "The part of all requests that a version gets.", labels: ["version": release.id])
      }
      shares[release.id]?.set(release.share.fraction)
    }
  }
}
