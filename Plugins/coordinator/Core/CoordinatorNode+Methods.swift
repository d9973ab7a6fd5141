public import NodeKit

/// What `hostctl txn` and other roles ask.
extension CoordinatorNode {
  private func checkedID(_ id: String) throws -> String {
    guard Proposal.isName(id) else {
      throw RoleError(
        .invalidArgument, "\"\(id)\" is no transaction's id: 1 to 64 letters, digits, and . _ -", at: "id")
    }
    return id
  }

  /// What is known of a transaction here or, if that is little, anywhere.
  public func status(_ id: String, _ reply: Reply<JSON>) throws {
    let id = try checkedID(id)
    if let decision = core.history[id]?.decision ?? core.told[id]?.decision {
      return reply.send(.object(Self.state(id, Finding(state: .decided, decision: decision))))
    }
    try look(id) { findings in reply.send(.object(Self.state(id, Self.best(findings)))) }
  }

  /// The same with what each node knows.
  public func show(_ id: String, _ reply: Reply<JSON>) throws {
    let id = try checkedID(id)
    try look(id) { [self] findings in
      var object = Self.state(id, Self.best(findings))
      if let past = core.history[id] { for member in past.fields(id).members { object[member.key] = member.value } }
      object["nodes"] = .object(
        JSONObject(
          core.settings.members.map { node in
            guard let finding = findings[node] else { return ("\(node)", "does not answer") }
            let word = Self.word(finding)
            return ("\(node)", .string(finding.isDamaged ? "\(word), heuristic damage" : word))
          }))
      if let mine = core.local[id] { object["here"] = fields(mine) }
      if let told = core.told[id] { object["waiting_for"] = .array(told.listeners.map { JSON($0) }) }
      if let open = core.open[id] { object["waiting_for"] = .array(open.silentNodes.map { JSON($0) }) }
      reply.send(.object(object))
    }
  }

  private func look(_ id: String, _ done: @escaping ([Int: Finding]) -> Void) throws {
    try checkBegun()
    let ticket = ticket()
    lookUps[ticket] = done
    tell { core.lookUp(id, ticket: ticket) }
  }

  private func checkBegun() throws {
    guard core.hasBegun else { throw RoleError(.unavailable, "it still reads what it has promised") }
  }

  private static func best(_ findings: [Int: Finding]) -> Finding {
    let nodes = findings.keys.sorted()
    // Where a person was wrong, the others are right.
    let decided = nodes.compactMap { findings[$0]!.state == .decided ? findings[$0]! : nil }
    if let one = decided.first(where: { !$0.isDamaged }) ?? decided.first { return one }
    return nodes.map { findings[$0]! }.max { $0.state.rawValue < $1.state.rawValue } ?? Finding()
  }

  private static func word(_ finding: Finding) -> String {
    switch finding.state {
    case .unknown: "unknown"
    case .refused: "refused"
    case .preparing: "preparing"
    case .prepared: "prepared"
    case .decided: finding.decision?.outcome == .abort ? "aborted" : "committed"
    }
  }

  private static func state(_ id: String, _ finding: Finding) -> JSONObject {
    var object = JSONObject([("txid", .string(id)), ("state", .string(word(finding)))])
    if let decision = finding.decision { for member in decision.fields.members { object[member.key] = member.value } }
    return object
  }

  // MARK: Lists

  private static let listLimit = 10_000

  public func list(_ what: String, _ limit: Int) throws -> JSON {
    let limit = max(1, min(limit, Self.listLimit))
    switch what {
    case "open": return .array(Array((openRows + localRows { _ in true }).prefix(limit)))
    case "in_doubt": return .array(Array(localRows { $0.isInDoubt }.prefix(limit)))
    case "history": return .array(core.history.newest(limit).map { .object($0.past.fields($0.id)) })
    default: throw RoleError(.invalidArgument, "\"\(what)\" is none of open, in_doubt, history", at: "what")
    }
  }

  private var openRows: [JSON] {
    core.openInOrder.map { transaction in
      [
        "txid": .string(transaction.id), "state": .string("\(transaction.stage)"), "role": "coordinator",
        "age_ms": JSON((now - transaction.began) / 1_000_000),
        "waiting_for": .array(
          transaction.stage == .voting ? transaction.silentNodes.map { JSON($0) } : []),
      ]
    }
      + core.told.values.sorted { $0.decision.id < $1.decision.id }.map { told in
        [
          "txid": .string(told.decision.id), "state": "telling", "role": "coordinator",
          "age_ms": JSON((now - told.since) / 1_000_000), "waiting_for": .array(told.listeners.map { JSON($0) }),
        ]
      }
  }

  private func localRows(_ isWanted: (LocalTransaction) -> Bool) -> [JSON] {
    core.localInOrder.filter(isWanted).map { .object(JSONObject([("txid", .string($0.id))] + pairs($0))) }
  }

  private func fields(_ mine: LocalTransaction) -> JSON { .object(JSONObject(pairs(mine))) }

  private func pairs(_ mine: LocalTransaction) -> [(String, JSON)] {
    let wall = context.timeSince1970.nanoseconds / 1_000_000
    var pairs: [(String, JSON)] = [
      ("state", .string(mine.isInDoubt ? (mine.stage == .held ? "held" : "in doubt") : "\(mine.stage)")),
      ("role", "participant"), ("age_ms", JSON(max(0, wall - mine.transaction.began))),
      ("waiting_for", .array(mine.isInDoubt ? missing(mine) : [])),
      (
        "keys",
        .array(mine.transaction.shares.flatMap { share in share.keys.map { .string("\(share.resource)/\($0)") } })
      ),
    ]
    if let heuristic = mine.heuristic { pairs.append(("heuristic", .string(heuristic.outcome.word))) }
    return pairs
  }

  /// Who may know the outcome and does not say it: who is to decide, and the other participants.
  private func missing(_ mine: LocalTransaction) -> [JSON] {
    let deciders = core.settings.deciders.filter { !core.isLinked($0) }
    let others = mine.transaction.members.map(\.node).filter { !core.isLinked($0) }
    let away = Set(deciders + others).sorted()
    return (away.isEmpty ? core.coordinator.map { [$0] } ?? [] : away).map { JSON($0) }
  }

  public func resolve(_ id: String, _ outcome: String, _ why: String) throws -> String {
    let id = try checkedID(id)
    try checkBegun()
    let wanted: Outcome? =
      switch outcome {
      case "commit", "COMMIT": .commit
      case "abort", "ABORT": .abort
      default: nil
      }
    guard let wanted else {
      throw RoleError(.invalidArgument, "the outcome is commit or abort, not \"\(outcome)\"", at: "outcome")
    }
    guard !why.isEmpty, why.utf8.count <= 1000 else {
      throw RoleError(.invalidArgument, "say why, in up to 1000 bytes: it stays in the history", at: "why")
    }
    var problem: String?
    tell { problem = core.resolve(id, wanted, why) }
    if let problem { throw RoleError(.failedPrecondition, problem) }
    return "\(id) is \(wanted == .commit ? "committed" : "aborted") on node \(context.nodeID), whatever the others do"
  }

  // MARK: The whole

  public func state() -> JSON {
    let doubtful = core.localInOrder.filter(\.isInDoubt)
    return [
      "mode": .string(hasElector ? "majority" : "single"), "coordinator": core.coordinator.map { JSON($0) } ?? .null,
      "phase": .string("\(core.phase)"), "term": JSON(max(core.ballot, core.seen).term), "run": JSON(core.run),
      "members": .array(core.settings.members.map { JSON($0) }),
      "linked": .array(core.settings.members.filter { core.isLinked($0) }.map { JSON($0) }),
      "deciders": .array(core.settings.deciders.map { JSON($0) }), "quorum": JSON(core.quorum),
      "open": JSON(core.open.count), "telling": JSON(core.told.count), "local": JSON(core.local.count),
      "history": JSON(core.history.count), "committed": JSON(core.counts.committed),
      "aborted": JSON(core.counts.aborted),
      "in_doubt": .array(
        doubtful.prefix(100).map { mine in
          [
            "txid": .string(mine.id),
            "age_ms": JSON(max(0, context.timeSince1970.nanoseconds / 1_000_000 - mine.transaction.began)),
            "waiting_for": .array(missing(mine)),
          ]
        }),
      "in_doubt_count": JSON(doubtful.count),
      "damaged": .array(core.history.damaged.keys.sorted().prefix(100).map { .string($0) }),
    ]
  }

  public func health() -> Health {
    guard let core, core.hasBegun else { return .degraded("it still reads what it has promised") }
    let old = core.local.values.filter { $0.isInDoubt && now - $0.preparedAt > 30_000_000_000 }
    if let first = old.min(by: { $0.id < $1.id }) {
      return .degraded("\(old.count) transactions are in doubt for 30 s and more, \(first.id) among them")
    }
    guard core.coordinator != nil else { return .degraded("nobody is known to coordinate") }
    return .ok
  }
}
