internal import NodeKit

/// The deciders' part: ballots are promised, and decisions recorded.
extension CommitProtocol {
  /// Hears of a ballot; what is of a lower one and not prepared here ends.
  func see(_ ballot: Ballot) {
    guard ballot > seen else { return }
    seen = ballot
    if phase != .following, ballot > self.ballot { follow(nil) }
    for id in local.keys.sorted() { dropIfUnprepared(id, before: ballot) }
  }

  func promiseCame(_ ballot: Ballot, from node: Int) {
    guard ballot >= promise.promised else { return say(.refused(promise.promised), to: node) }
    promise.promised = ballot
    see(ballot)
    write.put(StoredRecords.promise, promise.bytes)
    let answer = CommitMessage.promised(ballot, baseline: promise.baseline, records: recordsInOrder)
    write.afterwards(.send(answer, to: node))
  }

  func baseCame(_ ballot: Ballot, _ decisions: [Decision], from node: Int) {
    guard ballot >= promise.promised else { return say(.refused(promise.promised), to: node) }
    see(ballot)
    (promise.promised, promise.baseline) = (ballot, ballot)
    write.put(StoredRecords.promise, promise.bytes)
    let before = records
    records = Dictionary(decisions.map { ($0.id, $0) }, uniquingKeysWith: { $1 })
    for id in before.keys.sorted() where records[id] == nil { write.delete(StoredRecords.decision(id)) }
    for decision in decisions where before[decision.id] != decision { put(decision) }
    write.afterwards(.send(.based(ballot), to: node))
  }

  func recordCame(_ ballot: Ballot, _ decisions: [Decision], from node: Int) {
    guard ballot >= promise.promised else { return say(.refused(promise.promised), to: node) }
    // It has not been told the baseline yet, which comes with the next link.
    guard promise.promised == ballot, promise.baseline == ballot else { return }
    for decision in decisions {
      records[decision.id] = decision
      put(decision)
    }
    write.afterwards(.send(.recorded(ballot, ids: decisions.map(\.id)), to: node))
  }

  func forgetCame(_ ballot: Ballot, _ ids: [String]) {
    guard ballot == promise.baseline, ballot == promise.promised else { return }
    for id in ids {
      guard let decision = records.removeValue(forKey: id) else { continue }
      write.delete(StoredRecords.decision(id))
      remember(decision)
    }
  }

  private func put(_ decision: Decision) {
    write.put(StoredRecords.decision(decision.id), StoredRecords.write { $0.add(decision) })
  }

  var recordsInOrder: [Decision] { records.values.sorted { $0.id < $1.id } }

  /// It is over. Nobody waits for the disk to know.
  func remember(_ decision: Decision, heuristic: Heuristic? = nil) {
    #if !BROKEN_PREPARES_ANEW
      if let known = history[decision.id], known.decision?.outcome == decision.outcome, heuristic == nil {
        // Who was told more knows more.
        guard known.decision!.votes.count < decision.votes.count else { return }
      }
      let noted = heuristic ?? history[decision.id]?.heuristic
      history.put(decision.id, PastTransaction(end: .decided(decision), at: wall, heuristic: noted), &write)
    #endif
  }
}

/// A coordinator's way into office.
extension CommitProtocol {
  /// This node coordinates from now on: as the elector says, or always.
  func lead(term: UInt64) {
    // Each time in office has a ballot of its own: of what it began before, it knows nothing any more.
    if phase != .following, ballot.term == term { return }
    let new = Ballot(term: term, run: run << 20 | UInt64(reigns))
    guard new >= promise.promised, new >= seen else {
      return notices.append(
        .error(
          "term \(term) is lower than \(max(promise.promised, seen).term), which was promised here; if the elector's "
            + "store was removed, let it count on from there"))
    }
    if phase != .following { follow(me) }
    reigns += 1
    (phase, ballot, coordinator) = (.promising, new, me)
    (promises, bases, unsettled) = ([:], [:], Unsettled())
    askForPromises()
  }

  private func askForPromises() {
    lastAsked = now
    for node in settings.deciders where isLinked(node) && promises[node] == nil { say(.promise(ballot), to: node) }
  }

  func promisedCame(_ ballot: Ballot, _ baseline: Ballot, _ records: [Decision], from node: Int) {
    guard ballot == self.ballot, phase == .promising, settings.deciders.contains(node) else { return }
    promises[node] = (baseline, records)
    guard promises.count >= quorum else { return }
    // Later baselines hold all that was decided before them; what is only in earlier ones is void.
    let highest = promises.values.map(\.baseline).max()!
    for decision in promises.values.filter({ $0.baseline == highest }).flatMap(\.records) {
      told[decision.id] = told[decision.id] ?? ToldTransaction(decision, since: now)
    }
    unsettled.inherit(told.keys)
    phase = .basing
    for node in settings.deciders where isLinked(node) { sendBase(to: node) }
  }

  /// All that is recorded in this ballot, or is being: what is in it counts as recorded there when it is on the disk.
  func sendBase(to node: Int) {
    let recording = open.values.filter { $0.stage == .recording }.compactMap(\.decision)
    let all = (told.values.filter { $0.isRecorded }.map(\.decision) + recording).sorted { $0.id < $1.id }
    bases[node] = (all.map(\.id), false)
    say(.base(ballot, records: all), to: node)
  }

  func basedCame(_ ballot: Ballot, from node: Int) {
    guard ballot == self.ballot, phase == .basing || phase == .ready, let base = bases[node], !base.isDurable else {
      return
    }
    bases[node] = ([], true)
    recordedCame(ballot, base.ids, from: node)
    guard phase == .basing, bases.values.count(where: { $0.isDurable }) >= quorum else { return }
    begin()
  }

  private func begin() {
    phase = .ready
    promises = [:]
    notices.append(.info("Coordinator started: node \(me) decides, ballot \(ballot), \(told.count) decisions to tell"))
    say(.ready(ballot), to: me)
    for node in runs.keys.sorted() where node != me {
      say(.ready(ballot), to: node)
      tell(node)
    }
    tell(me)
    for id in told.keys.sorted() { lookWhetherApplied(id) }
  }

  func refusedCame(_ ballot: Ballot, from node: Int) {
    guard phase != .following, ballot > self.ballot else { return }
    notices.append(.warning("node \(node) knows of a later coordinator, of ballot \(ballot)"))
    see(ballot)
  }

  /// Somebody else coordinates, or nobody known.
  func follow(_ node: Int?) {
    coordinator = node
    guard phase != .following else { return }
    notices.append(.info("node \(me) decides no more, ballot \(ballot)"))
    phase = .following
    func lost(mayTryAgain: Bool) -> Answer {
      .failed(
        status: Status.unavailable.rawValue,
        message: "another node coordinates now; `status` tells what became of the transaction",
        mayTryAgain: mayTryAgain)
    }
    // Under the same id it may be proposed to the next coordinator.
    for transaction in openInOrder {
      for waiting in transaction.origins { answer(waiting.origin, lost(mayTryAgain: transaction.isNamed)) }
    }
    for id in told.keys.sorted() { for waiting in told[id]!.waiting { answer(waiting, lost(mayTryAgain: false)) } }
    for number in lookUps.keys.sorted() {
      if let waiting = lookUps[number]!.proposal {
        lookUps[number] = nil
        answer(waiting.origin, lost(mayTryAgain: true))
      }
    }
    (open, told, queue, promises, bases, toRecord, toForget) = ([:], [:], KeyLocks(), [:], [:], [], [])
  }

  func readyCame(_ ballot: Ballot, from node: Int) {
    guard ballot >= seen else { return }
    see(ballot)
    coordinator = node
    // What an earlier coordinator had not decided, it will not decide any more.
    loseForwards("node \(node) coordinates now") { $0 != node }
    // It says so with each link too, and what it has told before may not have arrived.
    for transaction in localInOrder where transaction.isInDoubt { transaction.askAt = now }
    tickParticipant()
  }

  func tickDeciding() {
    guard phase == .promising || phase == .basing, now - lastAsked > 500_000_000 else { return }
    if phase == .promising { return askForPromises() }
    lastAsked = now
    for node in settings.deciders where isLinked(node) && bases[node]?.isDurable != true { sendBase(to: node) }
  }
}
