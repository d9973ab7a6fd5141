import NodeKit

/// What `/metrics` and `hostctl metrics` tell of a member.
struct Gauges {
  let registered, reachable, inStep, nodes, revision: Gauge
  let registrations, heartbeats, failures, changes, events: Counter
  let callSeconds: Histogram

  init(_ metrics: Metrics) {
    registered = metrics.gauge("member_registered", "1 while a gateway has this node in its registry.")
    reachable = metrics.gauge("member_gateway_reachable", "0 while no gateway answers.")
    inStep = metrics.gauge("member_in_step", "1 while the list of nodes is what the gateway has.")
    nodes = metrics.gauge("member_nodes", "Nodes that are known.")
    revision = metrics.gauge("member_revision", "Of the registry, as far as it is known.")
    registrations = metrics.counter("member_registrations_total", "How often this node was registered.")
    heartbeats = metrics.counter("member_heartbeats_total", "Heartbeats that a gateway has acknowledged.")
    failures = metrics.counter("member_failures_total", "Registrations and heartbeats that failed.")
    changes = metrics.counter("member_gateway_changes_total", "How often another gateway was asked instead.")
    events = metrics.counter("member_watch_events_total", "Events of the registry that came.")
    callSeconds = metrics.histogram("member_call_seconds", "How long gateways take to answer.")
  }
}
