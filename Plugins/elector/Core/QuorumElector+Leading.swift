/// Leading and following.
extension QuorumElector {
  /// Until when a majority has promised to elect nobody else.
  var leaseEnd: Int64 {
    let needed = majority - 1
    guard needed > 0 else { return .max }
    let answers = members.values.compactMap(\.acknowledged).sorted(by: >)
    guard answers.count >= needed else { return .min }
    #if BROKEN_LONG_LEASE
      return answers[needed - 1] + 3 * timing.lease
    #else
      return answers[needed - 1] + timing.surely
    #endif
  }

  mutating func lead(on now: Int64) {
    guard now < leaseUntil else {
      _ = stepDown("no majority acknowledges it", to: nil, rests: 0, now)
      return
    }
    guard now >= nextBeat else { return }
    beat(now)
    handOverIfDue(now)
  }

  mutating func beat(_ now: Int64) {
    nextBeat = now + timing.heartbeat
    sayToAll(.coordinator, stamp: now, node: me)
  }

  mutating func coordinatorCame(_ message: ElectorMessage, from node: Int, _ now: Int64) {
    guard message.term >= standing.term else { return say(.refused, to: node, node: standing.leader) }
    guard message.term > releasedTerm else { return }
    guard message.term == ballot.term else {
      comingLeader = (message, node)
      if writing == nil { store(Ballot(term: message.term), now) }
      return
    }
    let isNew = standing.leader != node
    become(.following, leader: node, now)
    if isNew { log("node \(node) is the coordinator, term \(message.term)") }
    promise = (node, message.term, now + timing.lease)
    electionAt = promise.until + jitter(timing.heartbeat)
    (isEscalated, complaint, failures) = (false, "", 0)
    vainHandovers[node] = nil
    // Who rests is not to be handed over to.
    say(.acknowledged, to: node, stamp: message.stamp, reach: now < restsUntil ? 0 : nil)
  }

  mutating func acknowledged(_ message: ElectorMessage, from node: Int, _ now: Int64) {
    guard standing.state == .leading, message.term == standing.term else { return }
    // Nothing is acknowledged before it was said.
    guard (0...now).contains(message.stamp) else { return }
    members[node]!.acknowledged = max(members[node]!.acknowledged ?? .min, message.stamp)
    let end = leaseEnd
    guard end > leaseUntil, now < leaseUntil else { return }
    leaseUntil = end
    renewed()
  }

  public mutating func stepDown(_ why: String, to successor: Int?, rests: Int64, _ now: Int64) -> Bool {
    guard standing.state == .leading else {
      restsUntil = max(restsUntil, now + rests)
      return false
    }
    let heir =
      successor ?? linked.filter { members[$0]!.reach >= majority }.max { members[$0]!.rank < members[$1]!.rank }
    log("stepping down, term \(standing.term): \(why)")
    (nextBeat, leaseUntil) = (.max, .min)
    restsUntil = now + rests
    let term = standing.term
    standBack(until: now + timing.lease + rests + jitter(timing.lease), now)
    sayToAll(.released, term: term, node: heir)
    return true
  }

  mutating func released(_ message: ElectorMessage, from node: Int, _ now: Int64) {
    releasedTerm = max(releasedTerm, message.term)
    if promise.to == node, promise.term <= message.term { promise.until = now }
    guard standing.leader == node, standing.term == message.term else { return }
    become(.following, leader: nil, now)
    if message.node == me {
      log("node \(node) hands over")
      isEscalated = true
      return begin(now)
    }
    electionAt = now + timing.answer + jitter(timing.lease)
  }

  /// A leader of lower rank lets one of higher rank lead that is back for long enough, so that it is elected without
  /// anybody missing a leader, and one that comes and goes disturbs nobody.
  private mutating func handOverIfDue(_ now: Int64) {
    let due = linked.filter { id in
      let member = members[id]!
      let patience = timing.holdDown << Int64(min(6, vainHandovers[id] ?? 0))
      return member.rank > rank && now - member.upSince! >= patience && Int(member.reach) >= majority
        && member.acknowledged.map { now - $0 < timing.lease } ?? false
    }
    guard let heir = due.max(by: { members[$0]!.rank < members[$1]!.rank }) else { return }
    vainHandovers[heir, default: 0] += 1
    _ = stepDown("node \(heir) is of higher rank, and back", to: heir, rests: 0, now)
  }

  // MARK: Links

  public mutating func linkChanged(_ node: Int, isUp: Bool, _ now: Int64) {
    guard members[node] != nil else { return }
    if isUp {
      members[node]!.upSince = now
      if standing.state == .leading { say(.coordinator, to: node, stamp: now, node: me) } else { say(.hello, to: node) }
      // It may be the one that a majority lacked.
      if standing.state == .following, standing.leader == nil, reach == majority {
        electionAt = min(electionAt, max(now + jitter(timing.heartbeat), promise.until))
      }
      return
    }
    members[node]!.upSince = nil
    if standing.state == .following, standing.leader == node { electionAt = max(now, promise.until) }
    if standing.state == .asking, !linked.contains(where: { members[$0]!.rank > rank }) { phaseEnd = now }
  }

  public mutating func received(_ message: ElectorMessage, from node: Int, _ now: Int64) {
    guard members[node] != nil, message.term <= Self.lastTerm else { return }
    members[node]!.rank.priority = message.priority
    members[node]!.reach = message.reach
    switch message.kind {
    case .hello: break
    case .election: electionAsked(by: node, now)
    case .ok: okCame(now)
    case .coordinator: coordinatorCame(message, from: node, now)
    case .acknowledged: acknowledged(message, from: node, now)
    case .poll: pollCame(message, from: node, now)
    case .vote: voteAsked(message, from: node, now)
    case .wouldVote, .voted: grantCame(message, from: node, now)
    case .refused: refusalCame(message, from: node, now)
    case .released: released(message, from: node, now)
    }
  }
}
