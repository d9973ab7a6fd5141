public import NodeKit

/// What goes over when the code is exchanged: whom this node follows, or that it leads, and all that it has promised
/// and been promised. Times are those of one clock, so none of it outlives a restart of the machine.
extension QuorumElector {
  /// Nil in the middle of an election, or while a ballot is on its way to the disk: who comes next begins anew then.
  public func state(_ now: Int64) -> JSON? {
    guard writing == nil, comingLeader == nil, standing.leader != nil else { return nil }
    return [
      "term": JSON(standing.term), "leads": .bool(standing.state == .leading),
      "leader": standing.leader.map { JSON($0) } ?? .null, "promised_to": promise.to.map { JSON($0) } ?? .null,
      "promised_term": JSON(promise.term), "promised_until": .int(promise.until), "election_at": .int(electionAt),
      "lease_until": .int(leaseUntil), "rests_until": .int(restsUntil), "released_term": JSON(releasedTerm),
      "heard_of": JSON(heardOf), "members": .array(members.keys.sorted().map { members[$0]!.state($0) }),
    ]
  }

  /// Goes on with what was saved. False, and nothing of it counts, if it does not fit what is on the disk, or the lease
  /// is over.
  public mutating func restore(_ state: JSON, _ now: Int64) -> Bool {
    func time(_ name: String) -> Int64? { state[name]?.int }
    func term(_ name: String) -> UInt64? { state[name]?.int.flatMap { UInt64(exactly: $0) } }
    guard term("term") == ballot.term, let leads = state["leads"]?.bool, let leader = time("leader").map({ Int($0) }),
      let promisedTerm = term("promised_term"), let promisedUntil = time("promised_until"),
      let election = time("election_at"), let lease = time("lease_until"), let rests = time("rests_until"),
      let released = term("released_term"), let heard = term("heard_of"), let others = state["members"]?.array
    else { return false }
    let known = others.compactMap { Member.restored($0) }
    guard Set(known.map(\.rank.id)) == Set(members.keys) else { return false }
    guard !leads || (leader == me && ballot.vote == me && now < lease) else { return false }
    for member in known { members[member.rank.id] = member }
    // A follower may have promised more since; a leader has nobody to promise anything to.
    let until = leads ? promisedUntil : max(promisedUntil, now + timing.lease)
    promise = (time("promised_to").map { Int($0) }, promisedTerm, until)
    (leaseUntil, restsUntil, releasedTerm, heardOf) = (lease, rests, released, heard)
    electionAt = max(election, until)
    (standing.state, standing.leader, standing.term) = (leads ? .leading : .following, leader, ballot.term)
    if leads { nextBeat = now }
    return true
  }

  public mutating func linksAre(_ up: Set<Int>, _ now: Int64) {
    for id in members.keys.sorted() where (members[id]!.upSince != nil) != up.contains(id) {
      linkChanged(id, isUp: up.contains(id), now)
    }
    if standing.state == .leading, now < leaseUntil { renewed() }
  }

  public mutating func letGo() {
    guard ballot.vote == me, standing.state == .following else { return }
    sayToAll(.released, term: ballot.term, node: linked.max { members[$0]!.rank < members[$1]!.rank })
  }
}

extension Member {
  fileprivate func state(_ id: Int) -> JSON {
    [
      "id": JSON(id), "priority": JSON(Int(rank.priority)), "up_since": upSince.map { .int($0) } ?? .null,
      "reach": JSON(Int(reach)), "acknowledged": acknowledged.map { .int($0) } ?? .null,
    ]
  }

  fileprivate static func restored(_ state: JSON) -> Member? {
    guard let id = state["id"]?.int, let priority = state["priority"]?.int, let reach = state["reach"]?.int else {
      return nil
    }
    return Member(
      rank: Rank(priority: Int32(clamping: priority), id: Int(id)), upSince: state["up_since"]?.int,
      reach: UInt16(clamping: reach), acknowledged: state["acknowledged"]?.int)
  }
}
