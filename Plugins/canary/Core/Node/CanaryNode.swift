public import NodeKit

/// The canary router of one node.
///
/// Which version of a service gets which requests stands in a ``RoutingState``. It changes as a whole, by a transaction
/// of the coordinator's on all nodes, in which each node votes no unless its own state is older; so with a majority for
/// every change no number is ever used twice. A node that was away takes the committed state from another that has it.
///
/// A rollout is a part of that state. The node that leads sums up what all nodes count, asks ``Judge`` once a second,
/// and proposes the next state. Two nodes that both think they lead do no harm: one of two changes of the same state is
/// refused.
public final class CanaryNode {
  static let key = "routing"
  private static let stateKey = "state"
  static let historyPrefix = "history/"

  let context: RoleContext
  let settings: CanarySettings
  private(set) var state = RoutingState()
  private(set) var digest = ""
  private(set) var isLoaded = false
  /// On its way to the disk, and who waits for that.
  private var storing: Int64 = 0
  private var waiting: [(Result<Void, RoleError>) -> Void] = []

  var others: [Int: Peers.Node] = [:]
  /// What other nodes have said since this one started.
  var heard: [Int: Heard] = [:]
  var disagreement: String?
  var reports: [Int: NodeReport] = [:]
  var leader: Int?
  var isProposing = false

  var counting = Counting()
  var window: [String: Tally] = [:]
  /// Of this second, as ``window`` is.
  var mirrored = MirrorTally()
  var recent = RecentWindows()
  var windowNumber: Int64 = 0
  var measured: [String: Measurement] = [:]
  var lastMeasured: Int64?
  var lastVerdict = ""
  /// When the present step began to count, on the monotonic clock, and of which step.
  var stepClock: (step: String, since: Int64) = ("", 0)

  var predictor: Predictor
  var predictRoute: HTTPRoute?
  var tables: [String: Forwarding] = [:]
  var tableFault: String?
  private(set) var measures: CanaryMeasures?
  /// Of the build before this one: served from the start, until the disk is read.
  var inherited: (state: RoutingState, spentMs: Int64)?

  public init(_ context: RoleContext, _ settings: CanarySettings) throws {
    (self.context, self.settings) = (context, settings)
    predictor = Predictor(nodeName: context.nodeName)
    if let first = settings.first {
      do { _ = try RoutingState().setting(first, 0) } catch let error as RoleError {
        throw RoleError(error.status, error.description, at: "/initial")
      }
    }
    // What the members say the host reads when it gets the table.
    _ = try Fields(
      settings.forward, at: "/forward", known: ["timeout_ms", "retries", "health", "ejection", "limits", "host"])
    if let rate = settings.gateErrorRate, !(0...1).contains(rate) {
      throw RoleError(.invalidArgument, "\(rate) is not from 0 to 1", at: "/gate_error_rate")
    }
  }

  var now: Int64 { context.now.nanoseconds }
  var wallMs: Int64 { max(0, context.timeSince1970.nanoseconds / 1_000_000) }

  func attempt(_ what: String, _ body: () throws -> Void) {
    do { try body() } catch { context.log.error("\(what): \(error)") }
  }

  // MARK: Life

  public func start() throws {
    measures = CanaryMeasures(context.metrics)
    predictor.begin(seed: context.random.next())
    try learnNodes()
    try context.peers.onMessage { [self] in messageCame($0) }
    try context.peers.onLink { [self] change in
      try learnNodes()
      // What it counted of the rollout stays true; what it does now is not known.
      if change.isUp {
        sayState(to: change.node)
      } else {
        reports[change.node]?.recent = [:]
        reports[change.node]?.mirror = MirrorTally()
      }
    }
    if settings.elector.isEmpty {
      leader = settings.leads
    } else {
      try context.bus.subscribe("leader.changed") { [self] event in
        leader = try event.decode(JSON.self)["leader"]?.int.map { Int($0) }
        reports = reports.filter { others[$0.key] != nil }
      }
    }
    if let inherited {
      apply(inherited.state, inherited.state.bytes, isNew: false)
      if inherited.state.rollout?.phase == .running {
        stepClock.since = now - max(0, inherited.spentMs - (inherited.state.rollout?.spentMs ?? 0)) * 1_000_000
      }
    }
    try addRoutes()
    try context.timer.every(.milliseconds(settings.heartbeatMs)) { [self] in sayState() }
    try context.timer.every(.seconds(1)) { [self] in second() }
    load()
  }

  private func learnNodes() throws {
    others = Dictionary(
      uniqueKeysWithValues: try context.peers.nodes().filter { !$0.isSelf }.map { ($0.id, $0) })
  }

  var majority: Int { (others.count + 1) / 2 + 1 }

  private func load() {
    #if BROKEN_FORGETS
      return loaded()
    #else
      attempt("reading the state") {
        try context.store.get(Self.stateKey) { [self] (found: Result<Stored<[UInt8]>?, RoleError>) in
          do {
            if let stored = try found.get() {
              let known = try RoutingState(parsing: stored.value)
              if known.version > state.version { apply(known, stored.value, isNew: false) }
            }
            loaded()
          } catch { context.fail(.dataLoss, "the routing state cannot be read: \(error)") }
        }
      }
    #endif
  }

  private func loaded() {
    isLoaded = true
    context.log.info("\(context.nodeName) has the routing state \(state.version)")
    sayState()
    if settings.elector.isEmpty { return }
    attempt("asking who leads") {
      try context.roles.call(settings.elector, "leader") { [self] (answer: Result<JSON, RoleError>) in
        if leader == nil { leader = (try? answer.get())?["leader"]?.int.map { Int($0) } }
      }
    }
  }

  var leads: Bool { leader == context.nodeID }

  // MARK: The state

  /// Makes a committed state this node's: on the disk first, and then at work. One that is not newer is there already.
  func install(_ new: RoutingState, history: [JSON] = [], then done: @escaping (Result<Void, RoleError>) -> Void) {
    #if !BROKEN_NO_VERSION_CHECK
      if new.version <= state.version { return done(.success(())) }
      // The store does one commit after the other, so what comes later is on the disk when the newer one is.
      if new.version <= storing { return waiting.append(done) }
    #endif
    storing = new.version
    let bytes = new.bytes
    var entries = history.filter { ($0["version"]?.int ?? 0) < new.version }
    entries.append(new.historyEntry)
    do {
      try context.store.commit { commit in
        commit.put(Self.stateKey, bytes)
        for entry in entries {
          let version = entry["version"]?.int ?? 0
          commit.put(Self.historyKey(version), entry)
          let old = version - Int64(settings.history)
          if old > 0 { commit.delete(Self.historyKey(old)) }
        }
      } then: { [self] result in
        if storing == new.version { storing = 0 }
        let outcome = result.map { _ in }
        if case .success = result { applyIfNewer(new, bytes) }
        let told = waiting
        if storing == 0 { waiting = [] }
        done(outcome)
        if storing == 0 { for one in told { one(outcome) } }
      }
    } catch {
      storing = 0
      done(.failure(RoleError(error)))
    }
  }

  private func applyIfNewer(_ new: RoutingState, _ bytes: [UInt8]) {
    #if BROKEN_NO_VERSION_CHECK
      apply(new, bytes, isNew: true)
    #else
      if new.version > state.version { apply(new, bytes, isNew: true) }
    #endif
  }

  /// So that their order is that of the versions.
  static func historyKey(_ version: Int64) -> String {
    let digits = String(version)
    return historyPrefix + String(repeating: "0", count: 19 - digits.count) + digits
  }

  func apply(_ new: RoutingState, _ bytes: [UInt8], isNew: Bool) {
    let before = state
    state = new
    if before.mirror?.url != new.mirror?.url {
      mirrored = MirrorTally()
      recent.forgetMirror()
    }
    digest = SHA256.hexadecimal(bytes)
    predictor.take(new, digest: digest)
    putTables()
    followRollout(isNew: isNew)
    measures?.show(new)
    guard isNew else { return }
    let shares = new.releases.map { "\($0.id) \($0.share.words)" }.joined(separator: ", ")
    context.log.info(
      "Routing state updated: version \(new.version), \(shares) (\(new.decision.kind.rawValue): \(new.decision.why))",
      ["version": .int(new.version), "txid": .string(new.transaction), "digest": .string(digest)])
    attempt("canary.changed") {
      try context.bus.publish(
        "canary.changed",
        [
          "version": .int(new.version), "digest": .string(digest), "txid": .string(new.transaction),
          "before": .int(before.version), "node": JSON(context.nodeID),
        ] as JSON)
      try context.bus.publish("canary.decided", new.historyEntry)
    }
    sayState()
  }

  public func health() -> Health {
    if !isLoaded { return .degraded("it still reads its state") }
    if let disagreement { return .failed(disagreement) }
    if let tableFault { return .degraded(tableFault) }
    if isStale { return .degraded("it has not heard from a majority yet, so its state \(state.version) may be old") }
    return .ok
  }
}

extension RoutingState {
  /// What the history has of it.
  var historyEntry: JSON {
    [
      "version": .int(version), "timestamp_ms": .int(timestampMs), "txid": .string(transaction),
      "decision": decision.json,
      "shares": .object(JSONObject(releases.map { ($0.id, .double($0.share.percent)) })),
      "sticky": .bool(sticky != nil),
    ]
  }
}
