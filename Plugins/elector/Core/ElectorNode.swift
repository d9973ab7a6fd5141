public import NodeKit

/// The elector of this node: brings an ``Elector`` together with the services of its host.
public final class ElectorNode {
  private static let ballotKey = "ballot"

  let context: RoleContext
  let settings: ElectorSettings
  let timing: Timing
  var elector: (any Elector)?
  let turn: Turn
  var carried: Carried?
  /// What happened while the turn was in doubt.
  var doubted: [(inout any Elector) -> Void] = []
  /// More than happens while a disk takes its time.
  static let doubtedLimit = 4096
  /// When a state was saved last.
  var saved: Int64?
  /// Wait until no saved state counts any more.
  var withheld: [(message: ElectorMessage, node: Int)] = []
  private var nodes: [Int: Peers.Node] = [:]
  private var timer: Timer?
  private var timerEnds = Int64.max
  private var sureUntil = Int64.min
  private var isResting = false
  private var measures: ElectorMeasures?
  private var isPerforming = false

  public init(_ context: RoleContext, _ settings: ElectorSettings) throws {
    (self.context, self.settings, timing, turn) = (context, settings, settings.times, Turn(context))
    if let problem = timing.problem { throw RoleError(.invalidArgument, problem) }
    if !settings.members.isEmpty, !settings.members.contains(context.nodeID) {
      throw RoleError(
        .invalidArgument, "node \(context.nodeID) is none of \(settings.members); add it, or take the role away here",
        at: "/members")
    }
  }

  var now: Int64 { context.now.nanoseconds }

  // MARK: Life

  public func start() throws {
    measures = ElectorMeasures(context.metrics)
    nodes = Dictionary(uniqueKeysWithValues: try context.peers.nodes().map { ($0.id, $0) })
    let others = try self.others()
    try context.peers.onMessage { [self] message in
      guard let said = ElectorMessage(message.bytes) else {
        return context.log.warning("node \(message.node) speaks another elector's language; it runs another version")
      }
      tell { [self] in $0.received(said, from: message.node, now) }
    }
    try context.peers.onLink { [self] change in
      nodes = Dictionary(uniqueKeysWithValues: try context.peers.nodes().map { ($0.id, $0) })
      tell { [self] in $0.linkChanged(change.node, isUp: change.isUp, now) }
    }
    guard settings.mode == .quorum else {
      return begin(
        BullyElector(
          me: context.nodeID, priority: Int32(settings.priority), others: others, timing: timing, now: now))
    }
    try takeTurn(others)
  }

  func takeTurn(_ others: [Int]) throws {
    let known = carried
    carried = nil
    try turn.take(known) { [self] in try readBallot($0, others) }
  }

  /// `carried` is what the build before this one has saved.
  private func readBallot(_ carried: Carried?, _ others: [Int]) throws {
    try context.store.get(Self.ballotKey) { [self] (found: Result<Stored<JSON>?, RoleError>) in
      do {
        let ballot = try found.get().map { try Ballot(json: $0.value) } ?? Ballot()
        var elector = QuorumElector(
          me: context.nodeID, priority: Int32(settings.priority), others: others, timing: timing, ballot: ballot,
          seed: context.random.next(), now: now)
        let isFresh = carried?.isFresh(now, sinceEpoch, limit: timing.lease) ?? false
        let goesOn = isFresh && elector.restore(carried!.state, now)
        begin(elector)
        if !goesOn { tell { $0.letGo() } }
      } catch {
        context.fail(.dataLoss, "what it has voted cannot be read, and guessing could make two leaders: \(error)")
      }
    }
  }

  var sinceEpoch: Int64 { Int64(context.timeSince1970 / .nanoseconds(1)) }

  func others() throws -> [Int] {
    let known = nodes.keys.filter { $0 != context.nodeID }
    if settings.members.isEmpty { return known.sorted() }
    for id in settings.members where nodes[id] == nil {
      throw RoleError(.failedPrecondition, "node \(id) is not in cluster.peers; add it there", at: "/members")
    }
    return settings.members.filter { $0 != context.nodeID }.sorted()
  }

  private func begin(_ elector: some Elector) {
    self.elector = elector
    publish()
    seeLinks()
    tell { [self] in $0.tick(now) }
  }

  private func seeLinks() { elector?.linksAre(Set(nodes.values.filter { $0.isUp && !$0.isSelf }.map(\.id)), now) }

  /// This node goes, so another is to lead.
  public func leave(_ why: String) { tell { [self] in _ = $0.stepDown(why, to: nil, rests: 0, now) } }

  // MARK: What happens

  func tell(_ body: @escaping (inout any Elector) -> Void) {
    guard elector != nil else { return }
    guard settings.mode == .classic || turn.isSure else {
      if doubted.count < Self.doubtedLimit { doubted.append(body) }
      return goOnIfOwnTurn()
    }
    body(&elector!)
    perform()
    wake()
  }

  private func perform() {
    // What is done may lead to more, which comes behind it.
    guard !isPerforming else { return }
    isPerforming = true
    defer { isPerforming = false }
    while let effects = elector?.takeEffects(), !effects.isEmpty { for effect in effects { perform(effect) } }
  }

  private func perform(_ effect: Effect) {
    switch effect {
    case .send(let message, let node) where message.kind == .released && mayBeUsed: withhold(message, node)
    case .send(let message, let node):
      // That a link is down is told by its own event, and a full queue is as good as a message lost.
      try? context.peers.send(message.bytes, to: node, priority: .urgent)
    case .store(let ballot): store(ballot)
    case .changed: publish()
    case .renewed(let until):
      sureUntil = until
      let lasts = until == .max ? 0 : (until - now) / 1000
      // For 0 means for ever.
      guard until == .max || lasts > 0 else { return }
      publish(
        "leader.lease",
        ["node": JSON(context.nodeID), "term": term, "for_us": JSON(Int(lasts)), "until_ns": .int(until)])
    case .log(let words): context.log.info(words)
    }
  }

  private func store(_ ballot: Ballot) {
    do {
      try context.store.commit {
        turn.bind(&$0)
        $0.put(Self.ballotKey, ballot.json)
      } then: { [self] result in
        switch result {
        case .success: tell { [self] in $0.stored(ballot, now) }
        case .failure(let error) where error.status == .aborted: try beginAnew()
        case .failure(let error):
          context.fail(error.status, "a vote cannot be written down, so this node cannot take part: \(error.message)")
        }
      }
    } catch { context.fail(.unavailable, "a vote cannot be written down: \(error)") }
  }

  /// One timer, for the earliest that is wanted; one that runs out too early is set again.
  private func wake() {
    guard let wanted = elector?.nextTick, wanted < timerEnds else { return }
    timer?.cancel()
    timerEnds = wanted
    do {
      timer = try context.timer.once(after: .nanoseconds(max(0, wanted - now))) { [self] in
        timerEnds = .max
        tell { [self] in $0.tick(now) }
      }
    } catch { context.fail(.resourceExhausted, "no timer: \(error)") }
  }

  // MARK: What others learn

  private var standing: Standing { elector?.standing ?? Standing() }
  private var term: JSON { JSON(standing.term) }

  private func publish() {
    let standing = standing
    if standing.state != .leading { sureUntil = .min }
    measures?.standing(standing, at: now)
    publish(
      "leader.changed",
      [
        "leader": standing.leader.map { JSON($0) } ?? .null, "term": term, "node": JSON(context.nodeID),
        "self": .bool(standing.state == .leading),
      ])
  }

  private func publish(_ topic: String, _ payload: JSON) {
    do { try context.bus.publish(topic, payload) } catch { context.log.warning("\(topic) is not published: \(error)") }
  }

  /// Whether this node leads, and no other can.
  public var isLeading: Bool {
    standing.state == .leading && (settings.mode == .classic || now < sureUntil && turn.isSure)
  }

  public func leader() throws -> JSON {
    guard let leader = standing.leader, leader != context.nodeID || isLeading else {
      throw RoleError(.unavailable, whyNobody)
    }
    return ["leader": JSON(leader), "term": term]
  }

  public func currentTerm() -> UInt64 { standing.term }

  public func stepDown(_ seconds: Int) throws -> String {
    guard (0...86_400).contains(seconds) else {
      throw RoleError(.invalidArgument, "it rests for 0 to 86400 seconds, not \(seconds)")
    }
    guard standing.state == .leading else {
      throw RoleError(
        .failedPrecondition,
        "node \(context.nodeID) does not lead; "
          + (standing.leader.map { "node \($0) does: ask it there" } ?? "at present nobody does"))
    }
    guard settings.mode == .classic || turn.isSure else {
      throw RoleError(.unavailable, "its code is being exchanged; ask again in a moment")
    }
    let term = standing.term
    tell { [self] in _ = $0.stepDown("told to", to: nil, rests: Int64(seconds) * 1_000_000_000, now) }
    return "node \(context.nodeID) led in term \(term) and does no more"
  }

  public func status() -> JSON {
    let standing = standing
    let members = ([context.nodeID] + ((try? others()) ?? [])).sorted()
    let up = members.filter { nodes[$0]?.isUp == true || $0 == context.nodeID }
    return [
      "mode": .string(settings.mode.rawValue), "state": .string(standing.state.rawValue),
      "leader": standing.leader.map { JSON($0) } ?? .null,
      "address": standing.leader.flatMap { nodes[$0]?.address }.map { .string($0) } ?? .null, "term": term,
      "sure_for_ms": sureFor.map { JSON(Int($0 / 1_000_000)) } ?? .null,
      "members": .array(members.map { JSON($0) }), "linked": .array(up.map { JSON($0) }),
      "majority": JSON(members.count / 2 + 1),
    ]
  }

  /// Nil for a leader that needs nobody's word for it, be it that it is alone or that it takes silence for death.
  private var sureFor: Int64? {
    isLeading && settings.mode == .quorum && sureUntil != .max ? sureUntil - now : nil
  }

  public func health() -> Health {
    guard elector != nil else { return .degraded("it still reads what it has voted") }
    return standing.leader == nil ? .degraded(whyNobody) : .ok
  }

  private var whyNobody: String {
    let members = ((try? others()) ?? []).count + 1
    let up = 1 + nodes.values.count { $0.isUp && !$0.isSelf }
    if settings.mode == .quorum, up <= members / 2 {
      return "no leader: linked with \(up) of \(members) nodes, itself among them, and \(members / 2 + 1) must be there"
    }
    return "no leader at present: the nodes are electing one"
  }
}

extension Ballot {
  /// On the disk as `{"term": 7, "vote": 3}`.
  var json: JSON { ["term": JSON(term), "vote": vote.map { JSON($0) } ?? .null] }

  init(json: JSON) throws {
    guard let term = json["term"]?.int.flatMap({ UInt64(exactly: $0) }) else {
      throw RoleError(.dataLoss, "it is no ballot: \(json)")
    }
    self.init(term: term, vote: json["vote"]?.int.map { Int($0) })
  }
}
