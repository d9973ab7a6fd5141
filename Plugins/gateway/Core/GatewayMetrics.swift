import NodeKit

/// What Prometheus sees. Counted in the gateway itself and passed on once a second, so that a heartbeat costs nothing.
final class GatewayMetrics {
  private static let pause = Duration.seconds(1)

  private let gateway: Gateway
  private var told = Counts()
  private let nodes, watchers, revision, leads, spared: Gauge
  private let registrations, heartbeats, expirations, conflicts, refusals, cutOff: Counter
  private let sweeps: Histogram
  private var cutOffTold: UInt64 = 0

  init(_ gateway: Gateway) {
    self.gateway = gateway
    let metrics = gateway.context.metrics
    nodes = metrics.gauge("gateway_nodes", "Nodes that are registered.")
    watchers = metrics.gauge("gateway_watchers", "Open streams of Watch.")
    revision = metrics.gauge("gateway_revision", "The registry's revision on this gateway.")
    leads = metrics.gauge("gateway_leads", "1 on the gateway that leads.")
    spared = metrics.gauge("gateway_spared_nodes", "Nodes past their timeout that are spared since so many are silent.")
    registrations = metrics.counter("gateway_registrations_total", "Registrations that this gateway has answered.")
    heartbeats = metrics.counter("gateway_heartbeats_total", "Heartbeats that came to this gateway.")
    expirations = metrics.counter("gateway_expirations_total", "Nodes that this gateway took out for their silence.")
    conflicts = metrics.counter("gateway_conflicts_total", "Registrations with an id that another instance holds.")
    refusals = metrics.counter("gateway_refusals_total", "Calls that were answered with an error.")
    sweeps = metrics.histogram(
      "gateway_sweep_seconds", "How long it took to look who is silent, at each tick.",
      bounds: [0.000_01, 0.000_03, 0.000_1, 0.000_3, 0.001, 0.003, 0.01, 0.1])
    cutOff = metrics.counter("gateway_watchers_cut_off_total", "Watchers that were ended since they read too slowly.")
  }

  func start() throws {
    gateway.whenSwept = { [sweeps] in sweeps.observe($0) }
    try gateway.context.timer.every(Self.pause) { [unowned self] in tell() }
  }

  private func tell() {
    let now = gateway.counts
    nodes.set(Double(gateway.registry.nodes.count))
    watchers.set(Double(gateway.watchers.count))
    revision.set(Double(gateway.registry.revision))
    leads.set(gateway.log.isLeading ? 1 : 0)
    spared.set(Double(gateway.whoIsThere.spared))
    registrations.add(Double(now.registrations - told.registrations))
    heartbeats.add(Double(now.heartbeats - told.heartbeats))
    expirations.add(Double(now.expirations - told.expirations))
    conflicts.add(Double(now.conflicts - told.conflicts))
    refusals.add(Double(now.refusals - told.refusals))
    cutOff.add(Double(gateway.watchers.cutOff - cutOffTold))
    (told, cutOffTold) = (now, gateway.watchers.cutOff)
  }
}
