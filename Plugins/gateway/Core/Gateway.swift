import NodeKit

/// A gateway at work: the registry on which all agree, and what this one knows by itself.
final class Gateway {
  static let release = "1.0.0"

  let context: RoleContext
  let settings: GatewaySettings
  let registry: Registry
  let log: RegistryLog
  let answers: Answers
  let watchers: Watchers
  let gossip: Gossip
  let identities: Identities
  let limits: RequestLimits
  let whoIsThere: WhoIsThere
  var counts = Counts()
  /// Told how long it took to look who is silent.
  var whenSwept: (Duration) -> Void = { _ in }
  private(set) var isReady = false
  private(set) var startedAt = Moment(nanoseconds: 0)
  /// Entries of this gateway that wait to be agreed on.
  private(set) var pending = 0
  /// The answer to most heartbeats, as long as the revision is this one.
  var acknowledgement: (revision: UInt64, bytes: [UInt8]) = (.max, [])
  /// Of this gateway, while it lets nodes expire.
  private(set) var epoch: UInt64?

  init(_ context: RoleContext, _ settings: GatewaySettings, _ registry: Registry, _ log: RegistryLog) {
    (self.context, self.settings, self.registry, self.log) = (context, settings, registry, log)
    let whoIsThere = WhoIsThere(context, settings)
    self.whoIsThere = whoIsThere
    let node = context.nodeID
    answers = Answers(
      registry: registry, terms: Answers.terms(settings, node: node), liveness: { whoIsThere.status(of: $0) })
    watchers = Watchers(registry, answers, limit: settings.watcherLimit)
    gossip = Gossip(context, others: settings.members(node: node).filter { $0 != node })
    identities = Identities(settings)
    limits = RequestLimits(settings)
  }

  // MARK: Life

  func start() throws {
    startedAt = context.now
    registry.whenChanged = { [unowned self] in changed($0) }
    registry.whenHeard = { [unowned self] in $0.seen = context.now.nanoseconds }
    registry.whenReplaced = { [unowned self] in replaced() }
    log.whenStandingChanges = { [unowned self] in standingChanged() }
    log.whenMessage = { [unowned self] in try messageCame($0) }
    try context.timer.every(whoIsThere.tick) { [unowned self] in sweep() }
    try log.start { [unowned self] result in
      switch result {
      case .success: catchUp()
      case .failure(let error):
        context.log.error("the registry cannot be read: \(error)")
        context.fail(error.status, error.message)
      }
    }
  }

  /// One of several gateways begins with less than the others know: it must not be taken for an empty registry.
  private func catchUp() {
    standingChanged()
    log.catchUp { [unowned self] result in
      if case .success = result, registry.seed != 0 { return ready() }
      do { try context.timer.once(after: .milliseconds(50)) { [unowned self] in catchUp() } } catch {
        context.fail(.internal, "\(error)")
      }
    }
  }

  private func ready() {
    isReady = true
    replaced()
    context.log.info(
      "the registry is at revision \(registry.revision) with \(registry.nodes.count) nodes",
      ["revision": JSON(registry.revision), "nodes": JSON(registry.nodes.count)])
  }

  /// The registry has come as a whole: from the disk, or from another gateway.
  private func replaced() {
    let now = context.now.nanoseconds
    for node in registry.nodes.values { node.seen = now }
    whoIsThere.begin(epoch != nil || isPlanted(.everybodyExpires) ? registry.inOrder : [], now: now)
    watchers.beginAllAnew()
  }

  private func standingChanged() {
    if !log.isLeading {
      epoch = nil
    } else if epoch == nil {
      beginToWatch()
    }
  }

  /// Whoever leads watches over the nodes, from the moment on that all have agreed on it.
  func beginToWatch() {
    guard epoch == nil else { return }
    let drawn = context.random.next() | 1
    epoch = drawn
    log.propose(Entry.watch(epoch: drawn).bytes) { [unowned self] result in
      guard epoch == drawn else { return }
      guard case .success = result, registry.epoch == drawn else {
        epoch = nil
        return
      }
      whoIsThere.begin(registry.inOrder, now: context.now.nanoseconds)
      context.log.info("this gateway watches over the nodes now; each has its full timeout anew")
    }
  }

  /// Whether this gateway lets nodes expire.
  var isWatching: Bool { isPlanted(.everybodyExpires) || log.isLeading && epoch != nil && registry.epoch == epoch }

  // MARK: What changes

  private func changed(_ change: Change) {
    if let node = change.node, change.kind == .joined || change.kind == .updated {
      node.seen = context.now.nanoseconds
      if isWatching { whoIsThere.add(node) }
    }
    guard isReady else { return }
    tell(change)
    watchers.changed()
  }

  /// Proposes an entry; `done` comes when this gateway's registry has it.
  func propose(_ entry: Entry, then done: @escaping (Result<Outcome, RoleError>) -> Void) throws(RoleError) {
    try propose(entry.bytes, then: done)
  }

  /// The same with the entry's bytes.
  func propose(_ entry: [UInt8], then done: @escaping (Result<Outcome, RoleError>) -> Void) throws(RoleError) {
    try requireReady()
    guard pending < settings.pendingLimit else {
      throw RoleError(.resourceExhausted, "\(pending) changes of the registry wait already; try again later")
    }
    pending += 1
    log.propose(entry) { [unowned self] result in
      pending -= 1
      done(result.map { _ in log.outcome })
    }
  }

  func requireReady() throws(RoleError) {
    log.wakeUp()
    guard isReady, !log.isSuspended else {
      throw RoleError(.unavailable, "the gateway is still reading its registry; try again")
    }
  }

  /// Seconds since 1970.
  var time: Double { Double(context.nanosecondsSince1970) / 1e9 }

  /// Somebody has heard of a node.
  func heard(of node: Node) {
    node.seen = context.now.nanoseconds
    gossip.note(node)
  }

  func heard(of ids: [Int32]) {
    let now = context.now.nanoseconds
    for id in ids { registry.nodes[id]?.seen = now }
  }
}
