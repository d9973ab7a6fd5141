/// A leader on its way out.
struct Transfer: Equatable, Sendable {
  var member: Int
  /// Until then it takes no proposals.
  var deadline: Int64
}

// How a leader gives its place away without an election's wait (thesis 3.10).
extension Raft {
  /// Lets the follower that has most of the log take over, as soon as it has all of it.
  package mutating func transferLeadership(among reachable: [Int]) {
    guard role == .leader, transfer == nil else { return }
    let best = followers.filter { reachable.contains($0.member) }.max { $0.match < $1.match }
    guard let best else { return }
    transfer = Transfer(member: best.member, deadline: now + settings.electionTimeout)
    continueTransfer()
  }

  mutating func continueTransfer() {
    guard let transfer, !hasLetGo, let target = followers.first(where: { $0.member == transfer.member }),
      target.match == log.lastIndex
    else { return }
    hasLetGo = true
    send(.takeOver, to: transfer.member)
  }
}
