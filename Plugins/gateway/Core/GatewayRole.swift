public import NodeKit

/// The discovery gateway: nodes register, find one another, and follow who comes, goes and leads.
///
/// Terms: the *registry* is what all gateways agree on (nodes, leader, who bootstraps), and changes by *entries* alone,
/// which go through a log; each change of it is a *revision*. A *heartbeat* is no entry: gateways keep in memory whom
/// they have heard of, tell each other, and the one that leads proposes that a silent node expire.
public final class GatewayRole: Role, Drainable, Stateful, HealthReporting {
  public typealias Config = GatewaySettings

  public static let about = About(
    "gateway", version: Gateway.release, "Lets nodes find one another: registration, heartbeats, leader, changes.")
  public static let methods = [
    Method("nodes()", "The nodes, as a list.", idempotent: true, GatewayRole.nodes),
    Method(
      "find(filter)", "Those that have all of {\"capabilities\": [], \"labels\": {}}.", idempotent: true,
      GatewayRole.find),
    Method("leader()", "The node that leads the cluster, and its term.", idempotent: true, GatewayRole.leader),
    Method("stats()", "Counts, the revision, and how the gateways stand.", idempotent: true, GatewayRole.stats),
    Method("evict(id,reason)", "Takes a node out; it may come back.", GatewayRole.evict),
    Method(
      "reset_bootstrap()", "Lets the next node that registers bootstrap; only if the last one never did.",
      GatewayRole.resetBootstrap),
    Method("digest()", "Revision and checksum: the same on gateways that agree.", idempotent: true, GatewayRole.digest),
  ]
  public static let topics = Gateway.topics
  public static let needs: [Need] = [.timer, .random, .rpc, .store, .bus, .metrics, .peers]
  public static let stateVersion = 1

  let gateway: Gateway
  private var metrics: GatewayMetrics?

  public init(_ context: RoleContext, _ settings: GatewaySettings) throws {
    try settings.check(node: context.nodeID)
    let registry = Registry(history: settings.historyLimit)
    gateway = Gateway(context, settings, registry, try RegistryLog(context, settings, registry))
  }

  public func start() throws {
    try gateway.start()
    try gateway.serve()
    let metrics = GatewayMetrics(gateway)
    try metrics.start()
    self.metrics = metrics
  }

  public func drain() { gateway.log.handOver() }

  /// All that counts is in the store, and the next build reads it there. What this one would still write then is
  /// refused, and it reads anew what the other did if it comes back.
  public func save() -> String { "" }

  public func load(_ state: String, version: Int) {}

  public func health() -> Health {
    if !gateway.isReady { return .degraded("the registry is being read") }
    if let trouble = gateway.log.trouble { return .degraded(trouble) }
    let spared = gateway.whoIsThere.spared
    return spared == 0 ? .ok : .degraded("\(spared) silent nodes are spared, since very many are silent at once")
  }
}
