/// From missing the leader to leading.
extension QuorumElector {
  mutating func begin(_ now: Int64) {
    if standing.leader != nil { log("node \(standing.leader!) is not heard any more") }
    become(.following, leader: nil, now)
    let earliest = max(restsUntil, promise.to == me ? now : promise.until)
    guard now >= earliest else { return standBack(until: earliest, now) }
    guard reach >= majority else {
      complain("linked with \(reach) of \(members.count + 1) nodes, itself among them; \(majority) must be there", now)
      return standBack(until: now + timing.lease, now)
    }
    let higher = linked.filter { members[$0]!.rank > rank }
    guard !isEscalated, !higher.isEmpty else { return poll(now) }
    become(.asking, leader: nil, now)
    phaseEnd = now + timing.answer
    for id in higher { say(.election, to: id) }
  }

  mutating func standBack(until time: Int64, _ now: Int64) {
    become(.following, leader: nil, now)
    electionAt = max(time, now + 1)
  }

  mutating func poll(_ now: Int64) {
    become(.polling, leader: nil, now)
    (asked, phaseEnd, granted, refused) = (now, now + timing.answer, [me], [])
    sayToAll(.poll, term: nextTerm, stamp: now)
    if granted.count >= majority { campaign(now) }
  }

  private var nextTerm: UInt64 { max(ballot.term, heardOf) + 1 }

  private mutating func campaign(_ now: Int64) {
    // A vote that is being written has been promised already.
    guard writing == nil else { return standBack(until: now + timing.answer, now) }
    become(.voting, leader: nil, now)
    phaseEnd = now + timing.answer + timing.coordinator
    granted = []
    for id in members.keys { members[id]!.acknowledged = nil }
    log("\(isEscalated ? "" : "no higher node answers, ")asking for votes, term \(nextTerm)")
    store(Ballot(term: nextTerm, vote: me), now)
  }

  public mutating func stored(_ ballot: Ballot, _ now: Int64) {
    guard writing == ballot else { return }
    writing = nil
    self.ballot = ballot
    if standing.state == .leading { _ = stepDown("there is a term \(ballot.term)", to: nil, rests: 0, now) }
    standing.term = ballot.term
    if ballot.vote == me { ownVoteStored(now) } else { voteStored(now) }
    guard let coming = comingLeader else { return }
    comingLeader = nil
    coordinatorCame(coming.message, from: coming.node, now)
  }

  private mutating func voteStored(_ now: Int64) {
    guard let request = voteRequest, let candidate = ballot.vote else { return }
    voteRequest = nil
    // It has heard from a leader while it was written.
    guard standing.leader == nil else { return }
    promise = (candidate, ballot.term, now + timing.lease)
    electionAt = promise.until + jitter(timing.heartbeat)
    say(.voted, to: candidate, stamp: request.stamp)
  }

  private mutating func ownVoteStored(_ now: Int64) {
    guard standing.state == .voting else { return }
    (asked, phaseEnd, granted, refused) = (now, now + timing.answer, [me], [])
    promise = (me, ballot.term, now)
    sayToAll(.vote, stamp: now)
    if granted.count >= majority { win(now) }
  }

  mutating func win(_ now: Int64) {
    become(.leading, leader: me, now)
    (isEscalated, complaint, failures) = (false, "", 0)
    leaseUntil = leaseEnd
    log("elected by \(granted.count) of \(members.count + 1), becoming coordinator, term \(standing.term)")
    renewed()
    beat(now)
  }

  // MARK: What others ask

  mutating func electionAsked(by node: Int, _ now: Int64) {
    guard rank > members[node]!.rank, now >= restsUntil else { return }
    // It would wait in vain.
    guard reach >= majority else { return }
    if standing.state == .leading { return say(.coordinator, to: node, stamp: now, node: me) }
    if let leader = standing.leader, promise.until > now { return say(.refused, to: node, node: leader) }
    say(.ok, to: node)
    guard standing.state == .following else { return }
    electionAt = max(now, promise.until)
    if now >= electionAt { begin(now) }
  }

  /// Why a node does not get this one's vote; nil if it does.
  private func refusal(of node: Int, _ term: UInt64, _ now: Int64) -> Bool {
    if term <= standing.term { return true }
    if standing.state == .leading, now < leaseUntil { return true }
    #if BROKEN_NO_PROMISE
      return false
    #else
      return promise.until > now && promise.to != node
    #endif
  }

  mutating func pollCame(_ message: ElectorMessage, from node: Int, _ now: Int64) {
    let isRefused = refusal(of: node, message.term, now)
    say(
      isRefused ? .refused : .wouldVote, to: node, stamp: message.stamp,
      node: isRefused && promise.until > now ? standing.leader : nil)
  }

  mutating func voteAsked(_ message: ElectorMessage, from node: Int, _ now: Int64) {
    guard writing == nil else { return }
    guard !refusal(of: node, message.term, now) else {
      return say(.refused, to: node, stamp: message.stamp, node: promise.until > now ? standing.leader : nil)
    }
    if standing.state == .leading { log("leads no more, term \(standing.term)") }
    standBack(until: now + timing.lease, now)
    voteRequest = message
    store(Ballot(term: message.term, vote: node), now)
  }

  // MARK: What others answer

  mutating func okCame(_ now: Int64) {
    guard standing.state == .asking else { return }
    become(.waiting, leader: nil, now)
    phaseEnd = now + timing.coordinator
  }

  mutating func grantCame(_ message: ElectorMessage, from node: Int, _ now: Int64) {
    let isPoll = message.kind == .wouldVote
    guard standing.state == (isPoll ? .polling : .voting), message.stamp == asked else { return }
    guard isPoll || message.term == standing.term else { return }
    granted.insert(node)
    if !isPoll { members[node]!.acknowledged = message.stamp }
    guard granted.count >= majority else { return }
    if isPoll { campaign(now) } else { win(now) }
  }

  mutating func refusalCame(_ message: ElectorMessage, from node: Int, _ now: Int64) {
    heardOf = max(heardOf, message.term)
    if standing.state == .leading {
      guard message.term > standing.term else { return }
      _ = stepDown("node \(node) knows of term \(message.term)", to: me, rests: 0, now)
      electionAt = now + jitter(timing.heartbeat)
      return
    }
    guard standing.state != .following, let leader = message.node, leader != me else { return }
    refused.insert(node)
    // The others may do.
    if standing.state != .asking, members.count + 1 - refused.count >= majority { return }
    complain("node \(node) follows node \(leader), which is not heard from here", now)
    tryLater(now)
  }

  /// Soon at first: some voters only wait for the end of a lease, and all for the same.
  mutating func tryLater(_ now: Int64) {
    let pause = min(2 * timing.lease, timing.heartbeat << min(failures, 8))
    failures += 1
    standBack(until: now + pause / 2 + jitter(pause), now)
  }
}
