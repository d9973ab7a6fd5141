package import NodeKit

/// The role that joins a node to a cluster through discovery gateways: it registers the node, keeps it registered, and
/// knows the other nodes and the leader.
///
/// What it does is in parts of their own: `Presence` registers and sends heartbeats, `Following` keeps the list of
/// nodes, `Reports` tells the gateway of leaders, `Waiters` answers who waits for nodes, `Archive` keeps on disk what a
/// restart without gateways needs. The decisions that can be made without a world are in `GatewayList`, `NodeList` and
/// `Backoff`.
package final class Member: Role {
  package typealias Config = MemberConfig

  package static let about = About(
    "member", version: "1.0.0", "Joins this node to a cluster through discovery gateways, and knows who else is there.")
  package static let needs: [Need] = [.timer, .bus, .metrics, .random, .store, .rpc, .peers]
  package static let topics = [
    Topic("member.joined", "A node has come: {\"node\": {…}, \"revision\": N}."),
    Topic(
      "member.updated", "A node tells otherwise of itself, or was started again: {\"node\": {…}, \"revision\": N}."),
    Topic("member.left", "A node has gone: {\"node\": {…}, \"reason\": WORD, \"revision\": N}."),
    Topic("member.leader", "Another node leads: {\"leader\": ID or null, \"term\": N, \"revision\": N}."),
  ]
  package static let methods = [
    Method("nodes()", "All nodes that are known, and how fresh that knowledge is.", idempotent: true, allNodes),
    Method(
      "find(filter)",
      "The nodes with all of these: {\"capabilities\": [WORD…], \"labels\": {NAME: VALUE}, \"status\": WORD}.",
      idempotent: true, find),
    Method("leader()", "Who leads, of which term, and where it is reached.", idempotent: true, leaderNow),
    Method("is_bootstrap()", "Whether this node is the one that begins the cluster.", idempotent: true, isBootstrap),
    Method(
      "wait_for_nodes(count, seconds)", "Answers like `nodes` as soon as so many are there, this one included.",
      idempotent: true, waitForNodes),
    Method("status()", "How this node stands with the gateways.", idempotent: true, status),
    Method("leave()", "Takes this node off the registry, until `join` or a restart.", idempotent: true, leave),
    Method("join()", "Registers this node again after `leave`.", idempotent: true, join),
  ]

  let context: RoleContext
  var config: MemberConfig
  var place: OwnPlace
  var gateways: GatewayList
  var list: NodeList
  /// Drawn at each start, and kept over a swap.
  var instance = ""
  /// Of registrations and leaves, counted from the start of the instance on.
  var sequence: UInt64 = 0
  /// From `load`, for `start`.
  var carried: Snapshot?
  /// It has drained.
  var isGone = false
  /// What the gateway has said; nil if none has yet.
  var bootstrap: Bool?
  var gauges: Gauges!

  // Parts of the role; what they mean stands where they are used.
  var presence = Presence.away
  var turn: UInt64 = 0
  var nextStep: Timer?
  var retries: Backoff
  var interval: Duration
  var outage: Outage?
  var lastHeartbeat: Moment?
  /// The gateway in use knows no terms.
  var isOldGateway = false
  var following: Following?
  var followRetries: Backoff
  var isInStep = false
  var lastNews: Moment?
  /// From a gateway, since the node was started.
  var hasHeard = false
  var report: Report?
  var reportTimer: Timer?
  var highestReport: UInt64 = 0
  var waiters = Waiters()
  var archive = Archive()

  package init(_ context: RoleContext, _ config: MemberConfig) throws {
    try config.check()
    self.context = context
    self.config = config
    place = OwnPlace(unasked: config)
    gateways = GatewayList(place.gateways)
    list = NodeList(limit: config.mostNodes)
    interval = config.heartbeat
    retries = Backoff(first: config.retry, longest: min(config.longestRetry, config.heartbeat))
    followRetries = retries
  }

  package func start() throws {
    gauges = Gauges(context.metrics)
    place = try findPlace(config)
    gateways = GatewayList(place.gateways)
    context.log.info("others reach this node at \(record.place)")
    try context.bus.subscribe(LeaderChange.topic) { [unowned self] in try leaderChanged($0) }
    if goOnWithCarried() { return }
    instance = Member.newInstance(context.random)
    presence = .joining
    try readArchive { [unowned self] in
      carried = nil
      if presence == .joining { enter() }
    }
  }

  /// 64 random bits: no two starts of one node are likely to have the same.
  private static func newInstance(_ random: RandomNumbers) -> String {
    let digits = String(random.next(), radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  var id: Int32 { place.id }

  private func findPlace(_ config: MemberConfig) throws -> OwnPlace {
    try OwnPlace(config, nodeID: context.nodeID, nodes: context.peers.nodes())
  }

  /// What is registered of this node.
  var record: NodeRecord {
    var record = NodeRecord()
    (record.id, record.address, record.port) = (place.id, place.address, place.port)
    (record.capabilities, record.labels, record.instance) = (config.capabilities, config.labels, instance)
    return record
  }

  /// A moment by chance, up to a part of a pause before its end.
  func early(_ pause: Duration) -> Duration {
    pause - pause * (Double(config.jitterPercent) / 100 * context.random.fraction())
  }
}

extension Member: Reconfigurable {
  /// What is registered of this node may have changed, and the gateways too.
  package func reconfigure(_ config: MemberConfig) throws {
    try config.check()
    let place = try findPlace(config)
    guard place.id == id else {
      throw RoleError(.failedPrecondition, "the id of a node that runs stays; restart the role for another", at: "/id")
    }
    let inUse = gateways.current
    (self.config, self.place) = (config, place)
    gateways = GatewayList(place.gateways, learned: gateways.learned)
    gateways.prefer(inUse)
    interval = config.heartbeat
    list = NodeList(
      list.inOrder, list.leadership, revision: list.revision, registry: list.registry, limit: config.mostNodes)
    endFollowing()
    if presence != .away { enter() }
  }
}

extension Member: Drainable {
  /// The node goes, and says so. Nothing of the kind happens when only the build is swapped.
  package func drain() {
    let wasThere = presence != .away
    isGone = true
    rest()
    waiters.refuse(RoleError(.unavailable, "the role ends"))
    if wasThere { sayGoodbye { _ in } }
  }
}

extension Member: HealthReporting {
  package func health() -> Health {
    switch presence {
    case .refused(let words): return .failed(words)
    case .away: return .ok
    case .joining, .joined: break
    }
    if let outage {
      return .degraded(
        "no gateway has answered for \(Words.time(outage.since.duration(to: context.now))): \(outage.words); "
          + knowledge)
    }
    if presence == .joining { return .degraded("not registered yet") }
    return isStale ? .degraded("the gateway does not tell who is there; \(knowledge)") : .ok
  }

  private var knowledge: String {
    guard let age else { return "the nodes are not known" }
    return "\(list.nodes.count) nodes are known, as of \(Words.time(age)) ago"
  }
}

enum Words {
  /// For a person: "850 ms", "12 s", "3 min".
  static func time(_ duration: Duration) -> String {
    let milliseconds = Int64(duration / .milliseconds(1))
    if milliseconds < 1_000 { return "\(milliseconds) ms" }
    return milliseconds < 120_000 ? "\(milliseconds / 1_000) s" : "\(milliseconds / 60_000) min"
  }

  static func count(_ number: Int, _ noun: String) -> String { number == 1 ? "1 \(noun)" : "\(number) \(noun)s" }
}
