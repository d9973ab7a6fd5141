internal import NodeKit

/// A participant's part: it locks keys, asks the resources, keeps what it has promised, and has the outcome carried
/// out.
extension CommitProtocol {
  var localInOrder: [LocalTransaction] { local.values.sorted { $0.id < $1.id } }

  func prepareCame(_ transaction: Transaction, from node: Int) {
    guard transaction.ballot >= seen else { return say(.refused(seen), to: node) }
    see(transaction.ballot)
    votes.forget(below: transaction.floor)
    let id = transaction.id
    if let past = history[id] {
      guard let decision = past.decision else { return vote(.no("it has refused before"), transaction, to: node) }
      return say(.outcome([decision]), to: node)
    }
    if let known = local[id] {
      if known.transaction.isAlone {
        // It has decided, or is about to, whoever asks for it; a no that is not meant for this ballot is not heard.
        known.asker = node
        if known.isSettled, let decision = known.decision { say(.outcome([decision]), to: node) }
        return
      }
      guard known.transaction.ballot == transaction.ballot else {
        return vote(.no("it is prepared from an earlier attempt, which is not settled"), transaction, to: node)
      }
      if known.stage == .prepared { vote(.yes, transaction, to: node) }
      return
    }
    #if BROKEN_STOPS
      stop(at: "is-asked")
    #endif
    let new = LocalTransaction(transaction, asker: node)
    local[id] = new
    if locks.enter(id, transaction.locks) { askResources(new) }
  }

  func vote(_ vote: Vote, _ transaction: Transaction, to node: Int) {
    say(.vote(transaction.ballot, id: transaction.id, vote), to: node)
  }

  func call(_ verb: ResourceCall.Verb, _ place: Int, _ mine: LocalTransaction) {
    let number = number()
    openCalls[number] = (mine.id, place, verb)
    calls.append(ResourceCall(number: number, verb: verb, id: mine.id, share: mine.transaction.shares[place]))
  }

  private func askResources(_ mine: LocalTransaction) {
    (mine.stage, mine.unanswered, mine.overlaps) = (.asking, mine.transaction.shares.count, true)
    follow(mine)
    for place in mine.transaction.shares.indices { call(.prepare, place, mine) }
  }

  /// What a resource says; nil: it has done it, or agrees.
  /// - Parameters:
  ///   - overlaps: it counts a commit from when it is told.
  ///   - isAway: the refusal is not its own; it does not answer.
  func resourceAnswered(
    _ number: UInt64, refusal: String?, isReadOnly: Bool = false, overlaps: Bool = false, isAway: Bool = false
  ) {
    guard let (id, place, verb) = openCalls.removeValue(forKey: number), let mine = local[id] else { return }
    if verb == .prepare, !isReadOnly { mine.overlaps = mine.overlaps && overlaps }
    switch (verb, mine.stage) {
    case (.prepare, .asking):
      mine.unanswered -= 1
      if let refusal { mine.refusal = mine.refusal ?? refusal } else if !isReadOnly { mine.agreed.append(place) }
      if mine.unanswered == 0 { haveAsked(mine) }
    case (.prepare, _): wasReminded(mine, place, refusal, isAway: isAway)
    case (_, .ending):
      mine.unanswered -= 1
      if let refusal { haveFailed(mine, place, verb, refusal) }
      if mine.unanswered == 0, mine.failed.isEmpty { haveEnded(mine) }
    default: break
    }
  }

  private func haveAsked(_ mine: LocalTransaction) {
    let refusal = mine.refusal
    guard mine.decision == nil, refusal == nil else {
      if mine.decision == nil {
        vote(.no(refusal ?? ""), mine.transaction, to: mine.asker)
        mine.isRefused = true
        mine.decision = Decision(
          id: mine.id, outcome: .abort, reason: refusal ?? "", began: mine.transaction.began,
          votes: [.init(node: me, vote: .no(refusal ?? ""))])
      }
      // The others may have committed without this node.
      mine.isLeftOut = refusal != nil
      keepAgreed(mine)
      return end(mine)
    }
    guard !mine.agreed.isEmpty else {
      forget(mine)
      votes.add(mine.id, mine.transaction.mark)
      return vote(.readOnly, mine.transaction, to: mine.asker)
    }
    keepAgreed(mine)
    mine.preparedWall = wall
    if mine.transaction.isAlone {
      mine.decision = Decision(
        id: mine.id, outcome: .commit, began: mine.transaction.began, votes: [.init(node: me, vote: .yes)])
    }
    #if BROKEN_STOPS
      stop(at: "prepares")
    #endif
    mine.stage = .writing
    remind(mine)
    votes.add(mine.id, mine.transaction.mark)
    write.put(StoredRecords.prepared(mine.id), mine.record.bytes)
    if isOnlyDecider, mine.asker == me, mine.decision == nil { return becamePrepared(mine.id) }
    write.afterwards(.prepared(id: mine.id))
    #if BROKEN_VOTES_EARLY
      becamePrepared(mine.id)
    #endif
  }

  /// Nobody but itself counts on its vote: the decision lies behind the vote on the same disk, and without the one the
  /// other means nothing.
  private var isOnlyDecider: Bool { settings.deciders == [me] }

  /// Those that have not agreed need not be told the outcome.
  private func keepAgreed(_ mine: LocalTransaction) {
    let kept = mine.agreed.sorted()
    mine.forgotten = Set(kept.indices.filter { mine.forgotten.contains(kept[$0]) })
    mine.transaction.shares = kept.map { mine.transaction.shares[$0] }
  }

  func becamePrepared(_ id: String) {
    guard let mine = local[id], mine.stage == .writing else { return }
    #if BROKEN_STOPS
      stop(at: "is-prepared")
    #endif
    if let decision = mine.decision {
      mine.tellers = [mine.asker]
      say(.outcome([decision]), to: mine.asker)
      return end(mine)
    }
    (mine.stage, mine.preparedAt, mine.askAt) = (
      .prepared, now, now + settings.doubtTime + random(below: settings.doubtTime)
    )
    vote(.yes, mine.transaction, to: mine.asker)
    #if BROKEN_UNLOCKS_EARLY
      unlock(mine)
    #endif
  }

  // MARK: The outcome

  /// Told by the coordinator, or by another participant; or to the coordinator by one that knew it.
  func outcomeCame(_ decision: Decision, from node: Int) {
    if let transaction = open[decision.id] {
      if transaction.stage == .voting { knownOutcomeCame(decision, transaction, from: node) }
      return
    }
    let isTold = decision.outcome == .commit
    guard let mine = local[decision.id] else { return learn(decision, isTold, from: node) }
    if isTold, !mine.tellers.contains(node) { mine.tellers.append(node) }
    #if BROKEN_STOPS
      stop(at: "is-told")
    #endif
    guard mine.decision == nil else { return }
    settle(mine, decision)
  }

  /// It is none of those that are open here.
  private func learn(_ decision: Decision, _ isTold: Bool, from node: Int) {
    let known = history[decision.id]?.decision
    if let known, known.outcome != decision.outcome {
      // What this node did by itself was wrong. Said once: it is known from then on.
      notices.append(.error("\(decision.id): \(known.outcome.word) here, \(decision.outcome.word) at node \(node)"))
    } else {
      remember(decision)
    }
    if isTold { write.afterwards(.send(.done(ids: [decision.id]), to: node), isUrgent: false) }
  }

  func settle(_ mine: LocalTransaction, _ decision: Decision) {
    mine.decision = decision
    switch mine.stage {
    case .waiting:
      forget(mine)
      haveFinished(mine)
    // When the resources have answered, it is carried out if all of them agree, though the others did not wait for it.
    case .asking, .ending: break
    case .following: break
    case .writing, .prepared: end(mine)
    case .held: haveLearnt(mine)
    }
  }

  /// Its resources carry it out, again and again until they say that they have.
  func end(_ mine: LocalTransaction) {
    #if BROKEN_OVERTAKES
      mine.behind = []
    #endif
    guard mine.behind.isEmpty else { return mine.stage = .following }
    (mine.stage, mine.unanswered, mine.failed) = (.ending, mine.transaction.shares.count, [])
    mine.retryAt = .max
    for place in mine.transaction.shares.indices where !mine.reminding.contains(place) {
      if mine.forgotten.contains(place) { remind(mine, place) } else { call(mine.endingVerb, place, mine) }
    }
    if mine.mayBeFollowed { letOthersFollow(mine) }
    if mine.transaction.shares.isEmpty { haveEnded(mine) }
  }

  func haveFailed(_ mine: LocalTransaction, _ place: Int, _ verb: ResourceCall.Verb, _ reason: String) {
    mine.failed.append(place)
    // It may be that it does not know it any more.
    mine.forgotten.insert(place)
    retryLater(mine)
    if mine.failures == 1 || mine.failures % 20 == 0 {
      notices.append(
        .warning(
          "\(mine.transaction.shares[place].resource) does not \(verb.rawValue) \(mine.id), trying on: \(reason)"))
    }
  }

  private func haveEnded(_ mine: LocalTransaction) {
    guard mine.decision != nil else { return hold(mine) }
    #if BROKEN_STOPS
      stop(at: "has-carried-out")
    #endif
    forget(mine)
    haveFinished(mine)
  }

  private func unlock(_ mine: LocalTransaction) {
    freeKeys(of: mine)
    letFollowersOn(mine)
  }

  func freeKeys(of mine: LocalTransaction) {
    for id in locks.leave(mine.id) { if let next = local[id], next.stage == .waiting { unlocked.append(id) } }
  }

  /// Its keys are free, and it is no more among those that are open here.
  func forget(_ mine: LocalTransaction) {
    local[mine.id] = nil
    unlock(mine)
  }

  /// What comes to the disk when it is over. Who comes next for its keys is written behind it.
  private func haveFinished(_ mine: LocalTransaction) {
    guard let decision = mine.decision else { return }
    write.delete(StoredRecords.prepared(mine.id))
    if mine.hasOnlyRefused {
      history.put(mine.id, PastTransaction(end: .refused, at: wall), &write)
    } else {
      remember(decision, heuristic: mine.heuristic)
    }
    for node in mine.tellers { write.afterwards(.send(.done(ids: [mine.id]), to: node), isUrgent: false) }
  }

  /// Those whose turn has come, when what was before them is written down.
  func goOn() {
    var begun = 0
    while begun < unlocked.count {
      if let next = local[unlocked[begun]], next.stage == .waiting { askResources(next) }
      begun += 1
    }
    unlocked.removeAll(keepingCapacity: true)
  }

  /// A later coordinator is there, so what has not been promised will not be wanted any more.
  func dropIfUnprepared(_ id: String, before ballot: Ballot) {
    guard let mine = local[id], mine.transaction.ballot < ballot else { return }
    switch mine.stage {
    case .waiting: forget(mine)
    case .asking: mine.refusal = mine.refusal ?? "another coordinator has begun"
    case .writing, .prepared, .following, .ending, .held: break
    }
  }

  // MARK: What a person decides

  /// Nil if it can be done.
  func resolve(_ id: String, _ outcome: Outcome, _ why: String) -> String? {
    guard let mine = local[id] else { return "\(id) is not open on node \(me)" }
    guard mine.stage == .prepared, mine.decision == nil else { return "\(id) is not in doubt on node \(me)" }
    mine.heuristic = Heuristic(outcome: outcome, why: why, at: wall)
    counts.heuristics += 1
    notices.append(.error("\(id): \(outcome.word) by a person's decision, whatever the other nodes do: \(why)"))
    write.put(StoredRecords.prepared(id), mine.record.bytes)
    end(mine)
    return nil
  }

  private func hold(_ mine: LocalTransaction) {
    mine.heuristic!.isDone = true
    write.put(StoredRecords.prepared(mine.id), mine.record.bytes)
    write.afterwards(.held(id: mine.id))
  }

  func becameHeld(_ id: String) {
    guard let mine = local[id], mine.stage == .ending else { return }
    (mine.stage, mine.askAt) = (.held, now)
    unlock(mine)
    if mine.decision != nil { haveLearnt(mine) }
  }

  /// What was true all along.
  private func haveLearnt(_ mine: LocalTransaction) {
    guard let decision = mine.decision, let heuristic = mine.heuristic else { return }
    forget(mine)
    haveFinished(mine)
    let past = PastTransaction(end: .decided(decision), at: wall, heuristic: heuristic)
    if past.isDamaged {
      counts.damaged += 1
      notices.append(
        .error(
          "heuristic damage: \(mine.id) is \(decision.outcome.word), and on this node it was made "
            + "\(heuristic.outcome.word): \(heuristic.why)"))
    }
    notices.append(.heuristic(id: mine.id, past))
  }
}
