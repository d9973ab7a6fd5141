internal import NodeKit

/// The coordinator's part: votes are gathered, and the outcome told.
extension CommitProtocol {
  func askForVotes(_ transaction: OpenTransaction) {
    (transaction.stage, transaction.askedAt) = (.voting, now)
    #if BROKEN_STOPS
      stop(at: "asks")
    #endif
    let parts = transaction.proposal.parts
    let members = parts.map { Transaction.Member(node: $0.node, run: $0.node == me ? run : runs[$0.node] ?? 0) }
    for (place, part) in parts.enumerated() {
      guard isLinked(part.node) else {
        transaction.votes[place] = .absent
        continue
      }
      say(
        .prepare(
          Transaction(
            id: transaction.id, ballot: ballot, number: transaction.place, floor: unsettled.floor(of: ballot),
            began: transaction.beganWall, members: members,
            needed: transaction.needed, shares: part.shares)), to: part.node)
    }
    lookAtVotes(transaction)
  }

  func voteCame(_ ballot: Ballot, _ id: String, _ vote: Vote, from node: Int) {
    guard ballot == self.ballot, let transaction = open[id], transaction.stage == .voting else { return }
    #if BROKEN_STOPS
      stop(at: "hears-vote")
    #endif
    guard transaction.take(vote, from: node) else { return }
    lookAtVotes(transaction)
  }

  func vote(_ vote: (node: Int, vote: Vote), _ transaction: OpenTransaction) {
    if transaction.take(vote.vote, from: vote.node) { lookAtVotes(transaction) }
  }

  private func lookAtVotes(_ transaction: OpenTransaction) {
    guard transaction.stage == .voting else { return }
    if transaction.isAlone { return lookAtTheOnlyVote(transaction) }
    var isComplete = true
    for (place, vote) in transaction.votes.enumerated() {
      switch vote {
      case nil: isComplete = false
      case .no(let reason): return abort(transaction, "node \(transaction.proposal.parts[place].node): \(reason)")
      case .silent, .absent:
        guard transaction.needed == transaction.votes.count else { break }
        let node = transaction.proposal.parts[place].node
        return abort(transaction, vote == .absent ? "node \(node) is not linked" : "node \(node) does not answer")
      case .yes, .readOnly, .unawaited: break
      }
    }
    guard isComplete else { return }
    if transaction.favourable >= transaction.needed { return commit(transaction) }
    abort(transaction, "\(transaction.favourable) of \(transaction.votes.count) nodes agree, no majority")
  }

  /// What it was asked, the only participant decides.
  private func lookAtTheOnlyVote(_ transaction: OpenTransaction) {
    let node = transaction.proposal.parts[0].node
    switch transaction.votes[0] {
    case nil, .yes, .unawaited: break
    case .no(let reason): abort(transaction, "node \(node): \(reason)")
    // Under an id of its own it may have been asked before.
    case .absent where transaction.isNamed: leaveOpen(transaction, "is not linked")
    case .absent: abort(transaction, "node \(node) is not linked")
    case .readOnly: commit(transaction)
    case .silent: leaveOpen(transaction, "does not answer")
    }
  }

  /// Perhaps the only participant has committed, so nobody else may decide.
  private func leaveOpen(_ transaction: OpenTransaction, _ why: String) {
    end(transaction)
    let unknown = Answer.failed(
      status: Status.unavailable.rawValue,
      message: "node \(transaction.proposal.parts[0].node), which decides \(transaction.id) alone, \(why); "
        + "ask `status` for the outcome",
      mayTryAgain: transaction.isNamed)
    for waiting in transaction.origins { answer(waiting.origin, unknown) }
  }

  private func makeDecision(_ transaction: OpenTransaction, _ outcome: Outcome, _ reason: String = "") {
    var decision = Decision(id: transaction.id, outcome: outcome, reason: reason, began: transaction.beganWall)
    decision.votes = transaction.proposal.parts.enumerated().map { place, part in
      Decision.NodeVote(node: part.node, vote: transaction.votes[place] ?? .unawaited)
    }
    transaction.decidingAt = now
    decision.prepareTook = UInt32(clamping: (now - transaction.askedAt) / 1000)
    transaction.decision = decision
  }

  private func commit(_ transaction: OpenTransaction) {
    makeDecision(transaction, .commit)
    // Nobody changes anything: it is all the same.
    guard transaction.votes.contains(where: { $0?.mayBeYes == true }) else { return decided(transaction) }
    record(transaction)
  }

  private func abort(_ transaction: OpenTransaction, _ reason: String) {
    makeDecision(transaction, .abort, reason)
    if transaction.isNamed { record(transaction) } else { decided(transaction) }
  }

  private func record(_ transaction: OpenTransaction) {
    #if BROKEN_STOPS
      stop(at: "records")
    #endif
    transaction.stage = .recording
    toRecord.append(transaction.decision!)
    #if BROKEN_TELLS_EARLY
      decided(transaction)
    #endif
  }

  /// What came together goes together.
  func flush() {
    goOn()
    var begun = 0
    while begun < granted.count {
      if let next = open[granted[begun]], next.stage == .queued { askForVotes(next) }
      begun += 1
    }
    granted.removeAll(keepingCapacity: true)
    if !toRecord.isEmpty {
      let decisions = toRecord
      toRecord = []
      for node in settings.deciders where bases[node] != nil { say(.record(ballot, decisions), to: node) }
    }
    if !toForget.isEmpty {
      let ids = toForget
      toForget = []
      for node in settings.deciders where bases[node] != nil { say(.forget(ballot, ids: ids), to: node) }
    }
  }

  func recordedCame(_ ballot: Ballot, _ ids: [String], from node: Int) {
    guard ballot == self.ballot, phase == .ready || phase == .basing else { return }
    for id in ids {
      guard let transaction = open[id], transaction.stage == .recording, !transaction.recorders.contains(node) else {
        continue
      }
      transaction.recorders.append(node)
      if transaction.recorders.count >= quorum { decided(transaction) }
    }
  }

  /// From here on it is true, and may be told.
  private func decided(_ transaction: OpenTransaction) {
    guard open[transaction.id] === transaction else { return }
    #if BROKEN_STOPS
      stop(at: "has-decided")
    #endif
    transaction.decision!.decideTook = UInt32(clamping: (now - transaction.decidingAt) / 1000)
    let decision = transaction.decision!
    let listeners = decision.listeners
    if decision.outcome == .commit {
      counts.committed += 1
      for node in listeners where isLinked(node) { say(.outcome([decision]), to: node) }
      if listeners.isEmpty { remember(decision) }
    } else {
      counts.aborted += 1
      remember(decision)
      // Nobody answers: what they do not hear they ask for.
      for node in listeners where isLinked(node) { say(.outcome([decision]), to: node) }
      if transaction.isNamed { toForget.append(transaction.id) }
    }
    finish(transaction, decision)
  }

  /// It is over for those who wait for the outcome, and its keys are free: who comes next finds it told already.
  private func finish(_ transaction: OpenTransaction, _ decision: Decision) {
    notices.append(.decided(decision))
    let isTold = decision.outcome == .commit && !decision.listeners.isEmpty
    let later = answerOrigins(of: transaction, decision, butThoseWhoWaitFor: isTold)
    if isTold { keepTelling(ToldTransaction(decision, since: now), of: transaction, later) }
    end(transaction)
  }

  /// Gives back those who are not answered yet: they want to know when it is carried out.
  private func answerOrigins(
    of transaction: OpenTransaction, _ decision: Decision, butThoseWhoWaitFor isCarriedOut: Bool
  ) -> [Origin] {
    var later: [Origin] = []
    for waiting in transaction.origins {
      if waiting.untilApplied, isCarriedOut {
        later.append(waiting.origin)
      } else {
        answer(waiting.origin, .decided(decision, applyTook: nil))
      }
    }
    return later
  }

  private func keepTelling(_ new: ToldTransaction, of transaction: OpenTransaction, _ waiting: [Origin]) {
    var new = new
    (new.waiting, new.place) = (waiting, transaction.place)
    told[transaction.id] = new
  }

  private func end(_ transaction: OpenTransaction) {
    open[transaction.id] = nil
    if told[transaction.id] == nil { unsettled.settle(transaction.place, transaction.id) }
    granted += queue.leave(transaction.id)
  }

  /// A participant knows the outcome already, or has decided by itself.
  func knownOutcomeCame(_ decision: Decision, _ transaction: OpenTransaction, from node: Int) {
    guard transaction.stage == .voting else { return }
    if transaction.isAlone {
      makeDecision(transaction, decision.outcome, decision.reason)
      transaction.decision!.votes = decision.votes
      counts.committed += decision.outcome == .commit ? 1 : 0
      counts.aborted += decision.outcome == .abort ? 1 : 0
      transaction.decision!.prepareTook = UInt32(clamping: (now - transaction.askedAt) / 1000)
      remember(transaction.decision!)
      notices.append(.decided(transaction.decision!))
      let later = answerOrigins(
        of: transaction, transaction.decision!, butThoseWhoWaitFor: decision.outcome == .commit)
      if !later.isEmpty {
        keepTelling(ToldTransaction(transaction.decision!, since: now, by: node), of: transaction, later)
      }
      return end(transaction)
    }
    // It was over before this node coordinated: whoever has been asked anew has nothing to do.
    let again = Decision(id: decision.id, outcome: .abort, reason: "it is over already", began: decision.began)
    for (place, part) in transaction.proposal.parts.enumerated()
    where isLinked(part.node) && part.node != node && transaction.votes[place] != .readOnly {
      say(.outcome([decision.outcome == .commit ? again : decision]), to: part.node)
    }
    for waiting in transaction.origins { answer(waiting.origin, .decided(decision, applyTook: nil)) }
    end(transaction)
  }

  // MARK: Telling

  func tell(_ node: Int) {
    let decisions = told.values.filter { $0.listeners.contains(node) }.map(\.decision).sorted { $0.id < $1.id }
    guard !decisions.isEmpty else { return }
    say(.outcome(decisions), to: node)
  }

  func doneCame(_ id: String, from node: Int) {
    guard let place = told[id]?.listeners.firstIndex(of: node) else { return }
    #if BROKEN_STOPS
      stop(at: "hears-done")
    #endif
    told[id]!.listeners.remove(at: place)
    lookWhetherApplied(id)
  }

  /// Who is not linked carries it out when it comes back.
  func lookWhetherApplied(_ id: String) {
    guard isReady, let transaction = told[id] else { return }
    if !transaction.waiting.isEmpty, !transaction.listeners.contains(where: { isLinked($0) }) {
      let took = UInt32(clamping: (now - transaction.since) / 1000)
      for origin in transaction.waiting { answer(origin, .decided(transaction.decision, applyTook: took)) }
      told[id]!.waiting = []
    }
    guard transaction.listeners.isEmpty else { return }
    told[id] = nil
    unsettled.settle(transaction.place, id)
    if !settings.deciders.contains(me) { remember(transaction.decision) }
    toForget.append(id)
  }

  func inquiryCame(_ id: String, _ ballot: Ballot, from node: Int) {
    guard isReady, ballot <= self.ballot, open[id] == nil else { return }
    if let known = told[id]?.decision ?? history[id]?.decision { return say(.outcome([known]), to: node) }
    // Had it been committed, a majority would have had it recorded, and somebody would still have to learn of it.
    let presumed = Decision(id: id, outcome: .abort, reason: "its coordinator went before it was decided", began: wall)
    say(.outcome([presumed]), to: node)
  }

  func tickCoordinator() {
    tickDeciding()
    guard isReady else { return }
    for transaction in openInOrder where transaction.deadline <= now {
      switch transaction.stage {
      case .queued where transaction.isAlone && transaction.isNamed:
        leaveOpen(transaction, "has not been asked yet, since others had its keys for too long")
      case .queued:
        for place in transaction.votes.indices { transaction.votes[place] = .absent }
        transaction.askedAt = now
        abort(transaction, "others had its keys for too long")
      case .voting:
        for place in transaction.votes.indices where transaction.votes[place] == nil {
          transaction.votes[place] = .silent
        }
        lookAtVotes(transaction)
      case .recording: break
      }
    }
    for id in told.filter({ now - $0.value.toldAt > 1_000_000_000 }).keys.sorted() {
      told[id]!.toldAt = now
      for node in told[id]!.listeners where isLinked(node) { say(.outcome([told[id]!.decision]), to: node) }
    }
  }
}

extension OpenTransaction {
  /// The link to a node broke: whatever it votes does not come, unless it decides alone and has been asked.
  func lost(_ node: Int) -> (node: Int, vote: Vote)? {
    guard let place = proposal.parts.firstIndex(where: { $0.node == node }), votes[place] == nil else { return nil }
    return (node, .silent)
  }
}
