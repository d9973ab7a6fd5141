internal import NodeKit

/// Proposals, on their way to the coordinator and there.
extension CommitProtocol {
  /// A proposal that another node has been given.
  struct Forward {
    var ticket: UInt64
    var node: Int
    var proposal: String
  }

  struct LookUp {
    /// Who wants to know, or what waits for it.
    var ticket: UInt64?
    var proposal: (proposal: Proposal, origin: Origin, patience: Int64)?
    var asked: Set<Int>
    var found: [Int: Finding]
    var deadline: Int64
  }

  func answer(_ origin: Origin, _ answer: Answer) {
    switch origin {
    case .here(let ticket): answers.append((ticket, answer))
    case .node(let node, let number): if isLinked(node) { say(.proposed(number: number, answer), to: node) }
    }
  }

  private func refuse(_ origin: Origin, _ status: Status, _ message: String, mayTryAgain: Bool = false) {
    answer(origin, .failed(status: status.rawValue, message: message, mayTryAgain: mayTryAgain))
  }

  func propose(_ text: String, patience: Int64, _ origin: Origin) {
    guard isReady else { return forward(text, patience: patience, origin) }
    let proposal: Proposal
    do { proposal = try Proposal(text, nodes: settings.members) } catch {
      return refuse(origin, error.status, error.place.isEmpty ? error.message : "\(error.message) (\(error.place))")
    }
    guard let id = proposal.id else { return begin(proposal, nextID(), patience, origin) }
    if let known = open[id] {
      return known.origins.append(.init(origin: origin, untilApplied: proposal.wait == .applied))
    }
    if let known = told[id]?.decision ?? history[id]?.decision {
      return answer(origin, .decided(known, applyTook: nil))
    }
    let others = settings.deciders.filter { $0 != me && isLinked($0) }
    guard quorum > 1 else { return begin(proposal, id, patience, origin) }
    // Of what an earlier coordinator did, any majority knows.
    lookUp(id, LookUp(proposal: (proposal, origin, patience), asked: Set(others), found: [:], deadline: now + patience))
  }

  private func forward(_ text: String, patience: Int64, _ origin: Origin) {
    guard case .here(let ticket) = origin, let coordinator, coordinator != me, isLinked(coordinator) else {
      let who = coordinator.map { $0 == me ? "this node is not ready to" : "node \($0), which is not linked, is to" }
      return refuse(origin, .unavailable, "\(who ?? "nobody is known to") coordinate at present", mayTryAgain: true)
    }
    let number = number()
    forwards[number] = Forward(ticket: ticket, node: coordinator, proposal: text)
    say(.propose(number: number, patience: UInt32(clamping: patience / 1_000_000), proposal: text), to: coordinator)
  }

  func proposedCame(_ number: UInt64, _ answer: Answer, from node: Int) {
    guard let forward = forwards[number], forward.node == node else { return }
    forwards[number] = nil
    answers.append((forward.ticket, answer))
  }

  /// Nobody will answer what was asked of these nodes. Under an id of its own it may be proposed again.
  func loseForwards(_ why: String, where isLost: (Int) -> Bool) {
    for number in forwards.keys.sorted() where isLost(forwards[number]!.node) {
      let forward = forwards.removeValue(forKey: number)!
      let isNamed = (try? Proposal(forward.proposal, nodes: settings.members))?.id != nil
      let lost = Answer.failed(
        status: Status.unavailable.rawValue, message: "\(why); `status` tells what became of it", mayTryAgain: isNamed)
      answers.append((forward.ticket, lost))
    }
  }

  /// Nobody waits for the answer any more.
  func forgetTicket(_ ticket: UInt64) {
    for (number, forward) in forwards where forward.ticket == ticket { forwards[number] = nil }
  }

  // MARK: What nodes know

  func find(_ id: String) -> Finding {
    if let past = history[id] {
      let state = past.decision == nil ? Finding.State.refused : .decided
      return Finding(state: state, decision: past.decision, isDamaged: past.isDamaged)
    }
    if let told = told[id] { return Finding(state: .decided, decision: told.decision) }
    if let mine = local[id] {
      if mine.hasOnlyRefused { return Finding(state: .refused) }
      // Where one decides alone, what is not on the disk yet is no decision.
      if let decision = mine.decision, mine.stage != .writing { return Finding(state: .decided, decision: decision) }
      return Finding(state: mine.isInDoubt ? .prepared : .preparing)
    }
    return Finding(state: open[id] == nil ? .unknown : .preparing)
  }

  /// Asks all nodes what they know, for the ticket.
  func lookUp(_ id: String, ticket: UInt64) {
    let others = settings.members.filter { $0 != me && isLinked($0) }
    let wait: Int64 = 1_000_000_000
    lookUp(id, LookUp(ticket: ticket, asked: Set(others), found: [:], deadline: now + wait))
  }

  private func lookUp(_ id: String, _ lookUp: LookUp) {
    let number = number()
    var lookUp = lookUp
    lookUp.found[me] = find(id)
    lookUps[number] = lookUp
    for node in lookUp.asked.sorted() { say(.lookUp(number: number, id: id), to: node) }
    lookWhetherFound(number)
  }

  func foundCame(_ number: UInt64, _ finding: Finding, from node: Int) {
    lookUps[number]?.found[node] = finding
    lookUps[number]?.asked.remove(node)
    lookWhetherFound(number)
  }

  func lookUpLost(_ number: UInt64, _ node: Int) {
    lookUps[number]?.asked.remove(node)
    lookWhetherFound(number)
  }

  func tickLookUps() {
    for number in lookUps.keys.sorted() where lookUps[number]!.deadline <= now {
      lookUps[number]!.asked = []
      lookWhetherFound(number)
    }
  }

  private func lookWhetherFound(_ number: UInt64) {
    guard let lookUp = lookUps[number] else { return }
    guard let (proposal, origin, patience) = lookUp.proposal else {
      guard lookUp.asked.isEmpty, let ticket = lookUp.ticket else { return }
      lookUps[number] = nil
      return findings.append((ticket, lookUp.found))
    }
    let id = proposal.id ?? ""
    let decided = lookUp.found.keys.sorted().compactMap { node in
      lookUp.found[node]!.state == .decided ? lookUp.found[node]!.decision : nil
    }
    if let decision = decided.first ?? told[id]?.decision {
      lookUps[number] = nil
      return answer(origin, .decided(decision, applyTook: nil))
    }
    if lookUp.found.count >= quorum {
      lookUps[number] = nil
      begin(proposal, id, patience, origin)
    } else if lookUp.asked.isEmpty {
      lookUps[number] = nil
      refuse(origin, .unavailable, "no majority of the nodes can be asked whether \(id) is known", mayTryAgain: true)
    }
  }

  // MARK: Beginning

  /// Never given twice: by node, life of the role, and number.
  private func nextID() -> String {
    lastTransaction += 1
    return "\(me).\(run).\(lastTransaction)"
  }

  private func begin(_ proposal: Proposal, _ id: String, _ patience: Int64, _ origin: Origin) {
    let waiting = OpenTransaction.Waiting(origin: origin, untilApplied: proposal.wait == .applied)
    if let known = open[id] { return known.origins.append(waiting) }
    guard open.count < settings.openLimit else {
      return refuse(
        origin, .resourceExhausted, "\(open.count) transactions are open already; wait for some of them",
        mayTryAgain: false)
    }
    guard told.count < settings.tellLimit else {
      return refuse(
        origin, .resourceExhausted,
        "\(told.count) decisions wait for nodes that are away; bring these back, or `resolve` what they are to do")
    }
    let transaction = OpenTransaction(
      id, number: number(), isNamed: proposal.id != nil, proposal, now: now, wall: wall,
      deadline: now + min(patience, proposal.timeoutMilliseconds.map { $0 * 1_000_000 } ?? settings.voteTime))
    transaction.place = unsettled.begin()
    transaction.origins.append(waiting)
    open[id] = transaction
    if queue.enter(id, transaction.locks) { askForVotes(transaction) }
  }
}
