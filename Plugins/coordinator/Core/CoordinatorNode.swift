public import NodeKit

/// The coordinator of this node: brings a ``CommitProtocol`` together with the services of its host.
public final class CoordinatorNode {
  struct Pending {
    var reply: Reply<PassedJSON>
    var proposal: String
    var deadline: Int64
    /// Nobody coordinated; it is tried again then.
    var retryAt = Int64.max
  }

  private static let tickTime = Duration.milliseconds(50)
  /// Where one message to a node ends and the next begins.
  private static let messageBytes = 1 << 20

  let context: RoleContext
  let settings: CoordinatorSettings
  private(set) var core: CommitProtocol!
  private var ownRevision: UInt64 = 0
  private var writesUnderWay = 0
  private var willFlush = false
  private var willTick = false
  /// For what comes to the disk soon; mostly it comes there with something else before.
  private var soon: Timer?
  var pending: [UInt64: Pending] = [:]
  var lookUps: [UInt64: ([Int: Finding]) -> Void] = [:]
  private var lastTicket: UInt64 = 0
  private var measures: CoordinatorMeasures?
  private var logged = (second: Int64(0), count: 0)

  public init(_ context: RoleContext, _ settings: CoordinatorSettings) throws {
    (self.context, self.settings) = (context, settings)
    if !settings.elector.isEmpty, settings.node != nil {
      throw RoleError(
        .invalidArgument, "`elector` names who coordinates, so `node` must not; leave one out", at: "/node")
    }
    if !settings.members.isEmpty, !settings.members.contains(context.nodeID) {
      throw RoleError(
        .invalidArgument, "node \(context.nodeID) is none of \(settings.members); add it, or take the role away here",
        at: "/members")
    }
  }

  var now: Int64 { context.now.nanoseconds }
  var hasElector: Bool { !settings.elector.isEmpty }

  // MARK: Life

  public func start() throws {
    measures = CoordinatorMeasures(context.metrics)
    let nodes = try context.peers.nodes()
    let members = try findMembers(nodes)
    let fixed = hasElector ? nil : settings.node ?? members[0]
    if let fixed, !members.contains(fixed) {
      throw RoleError(.failedPrecondition, "node \(fixed) does not take part; \(members) do", at: "/node")
    }
    var values = CommitProtocol.Settings(me: context.nodeID, members: members, deciders: fixed.map { [$0] } ?? members)
    (values.voteTime, values.doubtTime) = (Int64(settings.voteMs) * 1_000_000, Int64(settings.doubtMs) * 1_000_000)
    (values.openLimit, values.historyLimit) = (settings.openLimit, settings.history)
    core = CommitProtocol(values, seed: context.random.next())
    try context.peers.onMessage { [self] in messageCame($0) }
    try context.peers.onLink { [self] change in
      tell { change.isUp ? core.linkCame(change.node) : core.linkBroke(change.node) }
    }
    try context.bus.subscribe("nodehost.started") { [self] event in
      // Only the host knows; a role could publish anything.
      if event.source.isEmpty { roleStarted(try event.decode(JSON.self)) }
    }
    if hasElector {
      try context.bus.subscribe("leader.changed") { [self] in leaderChanged(try $0.decode(JSON.self)) }
    }
    for node in nodes where node.isUp && !node.isSelf { core.linkCame(node.id) }
    try load(fixed)
  }

  private func findMembers(_ nodes: [Peers.Node]) throws -> [Int] {
    if settings.members.isEmpty { return Set(nodes.map(\.id) + [context.nodeID]).sorted() }
    for id in settings.members where id != context.nodeID && !nodes.contains(where: { $0.id == id }) {
      throw RoleError(.failedPrecondition, "node \(id) is not in cluster.peers; add it there", at: "/members")
    }
    return settings.members.sorted()
  }

  private func load(_ fixed: Int?) throws {
    try context.store.scan(from: "", to: "") { [self] (stored: Stored<[UInt8]>) in
      if stored.key == StoredRecords.own { ownRevision = stored.revision }
      do { try core.load(stored.key, stored.value) } catch {
        throw RoleError(.dataLoss, "\(stored.name) cannot be read")
      }
    } then: { [self] result in
      switch result {
      case .success: tell { core.start(fixed: fixed) }
      case .failure(let error):
        context.fail(error.status, "what was promised cannot be read, and guessing could break it: \(error.message)")
      }
    }
  }

  // MARK: What happens

  func tell(_ body: () -> Void) {
    core.happens(now, wall: context.timeSince1970.nanoseconds / 1_000_000, body)
    perform()
  }

  private func messageCame(_ message: Message) {
    do {
      let messages = try MessageCodec.decode(message.bytes)
      tell { for said in messages { core.receive(said, from: message.node) } }
    } catch {
      context.log.warning("node \(message.node) speaks another coordinator's language; it runs another version")
    }
  }

  private func perform() {
    // Other nodes and the disk take the longest.
    if core.isQuiet { flush() }
    while !core.calls.isEmpty {
      let calls = core.calls
      core.calls = []
      for call in calls { ask(call) }
    }
    if !core.answers.isEmpty { giveAnswers() }
    if !core.findings.isEmpty { giveFindings() }
    if !core.notices.isEmpty { showNotices() }
    if !core.outbox.isEmpty || core.write.isUrgent { flushLater() }
    if core.write.isAwaited { saveSoon() }
    if !willTick, core.isBusy || !pending.isEmpty { tickLater() }
  }

  /// What comes together in one turn of the loop goes together.
  private func flushLater() {
    guard !willFlush else { return }
    willFlush = true
    do {
      try context.timer.once(after: .zero) { [self] in
        willFlush = false
        flush()
      }
    } catch {
      willFlush = false
      flush()
    }
  }

  private func saveSoon() {
    guard soon == nil else { return }
    do {
      soon = try context.timer.once(after: .nanoseconds(CommitProtocol.soonTime)) { [self] in
        soon = nil
        core.happens(now, wall: context.timeSince1970.nanoseconds / 1_000_000) {}
        save()
        if core.write.isAwaited { saveSoon() }
      }
    } catch { flushLater() }
  }

  private func tickLater() {
    willTick = true
    do {
      try context.timer.once(after: Self.tickTime) { [self] in
        willTick = false
        tell { core.tick() }
        lookAtPending()
        save()
        measures?.show(core)
      }
    } catch { context.fail(.resourceExhausted, "without a timer nobody would be answered: \(error)") }
  }

  private func flush() {
    if !core.outbox.isEmpty { send() }
    save()
  }

  private func send() {
    let outbox = core.outbox
    core.outbox.removeAll(keepingCapacity: true)
    var writers: [(node: Int, encoder: MessageCodec.Encoder)] = []
    for (node, message) in outbox {
      let place: Int
      if let known = writers.firstIndex(where: { $0.node == node }) {
        place = known
      } else {
        place = writers.count
        writers.append((node, MessageCodec.Encoder()))
      }
      writers[place].encoder.add(message)
      if writers[place].encoder.count > Self.messageBytes {
        send(writers[place].encoder.bytes, to: node)
        writers[place].encoder = MessageCodec.Encoder()
      }
    }
    for (node, encoder) in writers where !encoder.isEmpty { send(encoder.bytes, to: node) }
  }

  /// What does not arrive is said again, or asked for.
  private func send(_ bytes: [UInt8], to node: Int) { try? context.peers.send(bytes, to: node, priority: .urgent) }

  private func save() {
    guard let write = core.takeWrite() else { return }
    soon?.cancel()
    soon = nil
    writesUnderWay += 1
    do {
      try context.store.commit { commit in
        // A build that comes back after a swap was undone knows less than the store has.
        commit.expect(StoredRecords.own, revision: ownRevision)
        for operation in write.operations {
          switch operation {
          case .put(let key, let value): commit.put(key, value)
          case .delete(let key): commit.delete(key)
          }
        }
      } then: { [self] result in
        writesUnderWay -= 1
        switch result {
        case .success(let revision):
          if !core.hasBegun { ownRevision = revision }
          let isFirst = !core.hasBegun
          tell { core.written(write) }
          if isFirst { haveBegun() }
        case .failure(let error): cannotWrite(error)
        }
      }
    } catch { cannotWrite(RoleError(error)) }
  }

  private func cannotWrite(_ error: RoleError) {
    let why =
      error.status == .aborted
      ? "another build of this role has written meanwhile" : "what it promises cannot be written down: \(error.message)"
    context.fail(error.status, "\(why); it begins anew with what the store has")
  }

  private func haveBegun() {
    if hasElector { askForLeader() }
  }

  // MARK: The elector

  /// Whoever starts later than the elector has missed what it said.
  private func askForLeader() {
    attempt("asking the elector") {
      try context.roles.call(settings.elector, "status") { [self] (answer: Result<JSON, RoleError>) in
        switch answer {
        case .success(let answer):
          if answer["mode"] == "classic" {
            context.log.error(
              "`\(settings.elector)` may have two leaders at once in `mode: classic`; transactions need `mode: quorum`"
            )
          }
          guard core.coordinator == nil else { return }
          lead(answer["state"] == "leading", answer["leader"], answer["term"])
        case .failure:
          // It starts later, and then says who leads.
          break
        }
      }
    }
  }

  private func leaderChanged(_ event: JSON) {
    guard core.hasBegun else { return }
    lead(event["self"]?.bool == true, event["leader"], event["term"])
  }

  private func lead(_ leads: Bool, _ leader: JSON?, _ term: JSON?) {
    let leader = leader?.int.map { Int($0) }
    tell {
      if leads, let term = term?.int.flatMap({ UInt64(exactly: $0) }) {
        core.lead(term: term)
      } else if leader != context.nodeID {
        core.follow(leader)
      }
    }
  }

  // MARK: Resources

  private func ask(_ call: CommitProtocol.ResourceCall) {
    let timeout = call.verb == .prepare ? Duration.milliseconds(settings.voteMs) : .seconds(10)
    do {
      try context.roles.call(
        call.share.resource, call.verb.rawValue, call.id, PassedJSON(text: call.share.changes), timeout: timeout
      ) { [self] (answer: Result<PassedJSON, RoleError>) in
        tell { answered(call, answer) }
      }
    } catch {
      core.resourceAnswered(call.number, refusal: RoleError(error).description)
    }
  }

  private func roleStarted(_ event: JSON) {
    guard core.hasBegun, let name = event["name"]?.string else { return }
    tell { core.resourceBegan([name] + (event["provides"]?.array ?? []).compactMap(\.string)) }
  }

  private func answered(_ call: CommitProtocol.ResourceCall, _ answer: Result<PassedJSON, RoleError>) {
    switch answer {
    case .failure(let error):
      let isAway = [.unavailable, .deadlineExceeded, .cancelled].contains(error.status)
      core.resourceAnswered(call.number, refusal: "\(call.share.resource): \(error.message)", isAway: isAway)
    case .success(let json):
      guard call.verb == .prepare else { return core.resourceAnswered(call.number, refusal: nil) }
      switch Self.vote(json.text) {
      case ("yes", let overlaps): core.resourceAnswered(call.number, refusal: nil, overlaps: overlaps)
      case ("read_only", _): core.resourceAnswered(call.number, refusal: nil, isReadOnly: true)
      case let (other, _):
        core.resourceAnswered(
          call.number, refusal: "\(call.share.resource) answers no \"yes\" or \"read_only\" as its vote: \(other)")
      }
    }
  }

  private static func vote(_ text: String) -> (word: String, overlaps: Bool) {
    // As most say it.
    if text == "{\"vote\":\"yes\"}" { return ("yes", false) }
    if text == "{\"vote\":\"yes\",\"overlaps\":true}" { return ("yes", true) }
    let json = try? JSON(parsing: text)
    return (json?["vote"]?.string ?? text, json?["overlaps"] == true)
  }

  func attempt(_ what: String, _ body: () throws -> Void) {
    do { try body() } catch { context.log.error("\(what): \(error)") }
  }

  // MARK: Proposals

  public func propose(_ proposal: PassedJSON, _ reply: Reply<PassedJSON>) {
    let usual = now + Int64(settings.proposeMs) * 1_000_000
    let new = Pending(reply: reply, proposal: proposal.text, deadline: min(usual, reply.deadline?.nanoseconds ?? usual))
    let ticket = ticket()
    pending[ticket] = new
    propose(ticket)
  }

  func ticket() -> UInt64 {
    lastTicket += 1
    return lastTicket
  }

  private func propose(_ ticket: UInt64) {
    guard let waiting = pending[ticket] else { return }
    tell { core.propose(waiting.proposal, patience: max(1, waiting.deadline - now), .here(ticket: ticket)) }
  }

  private func giveAnswers() {
    let answers = core.answers
    core.answers = []
    for (ticket, answer) in answers {
      guard let waiting = pending[ticket] else { continue }
      switch answer {
      case .decided(let decision, let applyTook):
        pending[ticket] = nil
        waiting.reply.send(PassedJSON(text: decision.answer(applyTook: applyTook)))
      case .failed(_, _, true) where now + 100_000_000 < waiting.deadline:
        pending[ticket]!.retryAt = now + 50_000_000
      case .failed(let status, let message, _):
        pending[ticket] = nil
        waiting.reply.fail(Status(rawValue: status), message)
      }
    }
  }

  private func lookAtPending() {
    let now = now
    for ticket in pending.filter({ $0.value.retryAt <= now || $0.value.deadline <= now }).keys.sorted() {
      if pending[ticket]!.deadline <= now {
        core.forgetTicket(ticket)
        pending.removeValue(forKey: ticket)!.reply.fail(
          .unavailable, "no outcome is known yet; ask `status` for it, if the proposal had an id")
      } else {
        pending[ticket]!.retryAt = .max
        propose(ticket)
      }
    }
  }

  private func giveFindings() {
    let findings = core.findings
    core.findings = []
    for (ticket, finding) in findings { lookUps.removeValue(forKey: ticket)?(finding) }
  }

  // MARK: What people see

  private func showNotices() {
    let notices = core.notices
    core.notices = []
    for notice in notices {
      switch notice {
      case .decided(let decision): show(decision)
      case .info(let words): context.log.info(words)
      case .warning(let words): context.log.warning(words)
      case .error(let words): context.log.error(words)
      case .heuristic(let id, let past):
        publish(
          "coordinator.heuristic",
          JSON.object(past.fields(id)).description)
      }
    }
  }

  private func show(_ decision: Decision) {
    measures?.decided(decision)
    publish("coordinator.decided", decision.answer(applyTook: nil))
    let second = context.timeSince1970.nanoseconds / 1_000_000_000
    if logged.second != second { logged = (second, 0) }
    let isSlow = Int(decision.prepareTook) + Int(decision.decideTook) > settings.slowMs * 1000
    guard decision.outcome == .abort || isSlow || logged.count < settings.logPerSecond else { return }
    logged.count += 1
    context.log.info(decision.line)
  }

  private func publish(_ topic: String, _ payload: String) {
    do { try context.bus.publish(topic, payload) } catch { context.log.warning("\(topic) is not published: \(error)") }
  }
}
