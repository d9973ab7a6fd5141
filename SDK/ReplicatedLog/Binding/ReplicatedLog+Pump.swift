internal import NodeKit

// What is done after anything has happened.
extension ReplicatedLog {
  /// Entries that are applied before the loop may see to something else.
  private static let applyLimit = 1_000
  /// Of a timer; what is overdue waits as long.
  private static let shortestDelay: Int64 = 100_000

  /// It leads, and its disk still has to do with the entries before: what is proposed now goes to the disk, and from
  /// there to the followers, together when that is done, and needs nothing before.
  var waitsForDisk: Bool { phase == .running && isWriting && raft.role == .leader }

  func pump() {
    resume()
    guard phase == .running else { return armTimer() }
    guard !isPumping else { return mustPumpAgain = true }
    isPumping = true
    repeat {
      mustPumpAgain = false
      raft.advance(to: context.now.nanoseconds)
      handProposals()
      askReads()
      write()
      sendMessages()
      apply()
      answerReads()
      expire()
    } while mustPumpAgain && phase == .running
    isPumping = false
    if let complaint = raft.takeComplaint() { context.log.error("the replicated log: \(complaint)") }
    tellReady()
    tellStanding()
    armTimer()
  }

  private func sendMessages() {
    for envelope in raft.takeMessages() { send(envelope) }
  }

  private func apply() {
    guard phase == .running else { return }
    if let snapshot = raft.takeRestore() {
      do { try become(snapshot.bytes, at: snapshot.index) } catch {
        phase = .ended
        failOpen("the state could not be restored")
        return context.fail(.dataLoss, "the replicated log's snapshot at \(snapshot.index): \(error)")
      }
    }
    guard let (first, entries) = raft.takeCommitted(limit: Self.applyLimit) else { return }
    mustPumpAgain = true
    for (offset, entry) in entries.enumerated() { apply(entry, at: first + UInt64(offset)) }
    if raft.wantsSnapshot { takeSnapshot() }
  }

  private func apply(_ entry: Entry, at index: UInt64) {
    guard let origin = entry.origin, sessions.admit(origin) else { return }
    let answer = state.apply(entry.bytes, at: index)
    guard origin.member == context.nodeID, origin.run == raft.promise.run else { return }
    if let open = proposals.remove(origin.sequence) { tell(open.done, .success(answer)) }
  }

  private func takeSnapshot() {
    let bytes = state.snapshot()
    guard bytes.count <= ReplicatedLogSettings.snapshotLimit else {
      return context.fail(
        .resourceExhausted,
        "the replicated log's state is \(bytes.count) bytes; up to \(ReplicatedLogSettings.snapshotLimit) can be kept")
    }
    raft.keep(snapshot: wrapped(bytes))
  }

  private func tellStanding() {
    guard phase == .running else { return }
    let new: Standing =
      switch raft.role {
      case .leader: .leader(term: raft.term)
      case .follower: .follower(of: raft.leader, term: raft.term)
      case .trying, .candidate: .candidate(term: raft.term)
      }
    guard new != standing else { return }
    standing = new
    guard let whenStandingChanges else { return }
    do { try whenStandingChanges(new) } catch { report(error, "the closure for a change of standing") }
  }

  /// One timer for all that waits for a time.
  func armTimer() {
    guard phase == .running else { return }
    var due = min(raft.wakeAt, proposals.nextDeadline, reads.nextDeadline, refusedWrite?.at ?? .max)
    if let forward { due = min(due, forward.sentAt + raft.settings.electionTimeout) }
    if reads.isAsked { due = min(due, askedAt + raft.settings.electionTimeout) }
    guard due < timerDue else { return }
    timer?.cancel()
    timerDue = due
    let delay = max(Self.shortestDelay, due - context.now.nanoseconds)
    do {
      timer = try context.timer.once(after: .nanoseconds(delay)) { [unowned self] in
        timerDue = .max
        pump()
      }
    } catch {
      timerDue = .max
      report(error, "a timer")
    }
  }

  func report(_ error: any Error, _ what: String) { context.log.error("the replicated log: \(what): \(error)") }

  func tell<Answer>(_ done: (Result<Answer, RoleError>) throws -> Void, _ result: Result<Answer, RoleError>) {
    do { try done(result) } catch { report(error, "the closure for an answer") }
  }
}
