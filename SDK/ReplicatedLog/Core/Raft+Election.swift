// How a member becomes a leader (sections 5.2 and 5.4.1).
extension Raft {
  mutating func electionWait() -> Int64 {
    settings.electionTimeout + Int64.random(in: 0...settings.electionSpread, using: &random)
  }

  /// Follows a leader of the term, or waits for one.
  mutating func follow(_ leader: Int?, term newTerm: UInt64? = nil) {
    if let newTerm, newTerm > term {
      promise.term = newTerm
      promise.vote = nil
      promiseChanged()
    }
    if role != .follower || self.leader != leader || newTerm != nil { becomeFollower() }
    self.leader = leader
    guard leader != nil else { return }
    heardAt = now
    electionDeadline = now + electionWait()
  }

  private mutating func becomeFollower() {
    // A leader's own deadline lies far back.
    if role == .leader { electionDeadline = now + electionWait() }
    role = .follower
    owed = nil
    incoming = nil
    votes = []
    isWanted = false
    endLeading()
  }

  /// Asks whether there would be votes.
  mutating func tryToStand() {
    electionDeadline = now + electionWait()
    guard !isAlone else { return stand(isWanted: false) }
    becomeFollower()
    role = .trying
    leader = nil
    votes = [settings.me]
    for member in settings.others {
      outbox.append(Envelope(member: member, term: term + 1, message: request(isTrial: true)))
    }
  }

  /// Asks for votes in a new term.
  mutating func stand(isWanted: Bool) {
    becomeFollower()
    role = .candidate
    leader = nil
    self.isWanted = isWanted
    promise.term += 1
    promise.vote = settings.me
    promiseChanged()
    electionDeadline = now + electionWait()
    // Nobody else is told, so the vote may reach the disk with the first entry.
    guard !isAlone else { return lead() }
    for member in settings.others {
      held.append(Envelope(member: member, term: term, message: request(isTrial: false)))
    }
  }

  private func request(isTrial: Bool) -> RaftMessage {
    .voteRequest(lastIndex: log.lastIndex, lastTerm: log.lastTerm, isTrial: isTrial, isWanted: isWanted)
  }

  mutating func answerVote(_ member: Int, _ asked: UInt64, lastIndex: UInt64, lastTerm: UInt64, _ isTrial: Bool) {
    // Only whoever has all that may be committed can lead.
    let isUpToDate = (lastTerm, lastIndex) >= (log.lastTerm, log.lastIndex)
    if isTrial {
      let isGranted = isUpToDate && asked > term
      // Its term counts in a refusal, so that who asks catches up with it.
      outbox.append(
        Envelope(
          member: member, term: isGranted ? asked : term, message: .voteAnswer(isGranted: isGranted, isTrial: true)))
      return
    }
    let isGranted = isUpToDate && role == .follower && (promise.vote ?? member) == member
    guard isGranted else { return send(.voteAnswer(isGranted: false, isTrial: false), to: member) }
    if promise.vote == nil {
      promise.vote = member
      promiseChanged()
    }
    electionDeadline = now + electionWait()
    let answer = Envelope(member: member, term: term, message: .voteAnswer(isGranted: true, isTrial: false))
    if disk.isPromiseDurable { outbox.append(answer) } else { held.append(answer) }
  }

  mutating func count(_ member: Int, _ asked: UInt64, _ isGranted: Bool, _ isTrial: Bool) {
    guard isGranted, !votes.contains(member) else { return }
    if isTrial {
      guard role == .trying, asked == term + 1 else { return }
      votes.append(member)
      if votes.count >= settings.majority { stand(isWanted: false) }
    } else if role == .candidate {
      votes.append(member)
      leadIfElected()
    }
  }

  /// This member's own vote counts when it is on the disk.
  mutating func countOwnVote() {
    guard role == .candidate, promise.vote == settings.me, !votes.contains(settings.me) else { return }
    votes.append(settings.me)
    leadIfElected()
  }

  private mutating func leadIfElected() {
    if votes.count >= settings.majority, votes.contains(settings.me) { lead() }
  }

  private mutating func promiseChanged() {
    held = []
    disk.promiseChanged()
  }
}
