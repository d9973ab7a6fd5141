/// A transaction that the coordinator has not decided.
final class OpenTransaction {
  enum Stage { case queued, voting, recording }
  struct Waiting: Equatable {
    var origin: CommitProtocol.Origin
    var untilApplied: Bool
  }

  let id: String
  let number: UInt64
  /// Among those of its ballot.
  var place: UInt64 = 0
  /// Its proposer gave it the id, and may give it again.
  let isNamed: Bool
  let proposal: Proposal
  let began: Int64
  let beganWall: Int64
  /// When it gets no more votes.
  let deadline: Int64
  let needed: Int
  var origins: [Waiting] = []
  var stage = Stage.queued
  /// In the order of the proposal's parts.
  var votes: [Vote?]
  var askedAt: Int64 = 0
  var decidingAt: Int64 = 0
  var decision: Decision?
  /// The deciders that have it on their disks.
  var recorders: [Int] = []

  init(_ id: String, number: UInt64, isNamed: Bool, _ proposal: Proposal, now: Int64, wall: Int64, deadline: Int64) {
    (self.id, self.number, self.isNamed, self.proposal) = (id, number, isNamed, proposal)
    (began, beganWall, self.deadline) = (now, wall, deadline)
    votes = Array(repeating: nil, count: proposal.parts.count)
    needed = proposal.need == .all ? votes.count : votes.count / 2 + 1
  }

  var isAlone: Bool { votes.count == 1 }
  var favourable: Int { votes.count { $0?.isFavourable == true } }
  var silentNodes: [Int] { proposal.parts.indices.filter { votes[$0] == nil }.map { proposal.parts[$0].node } }

  /// Says whether the vote was new.
  func take(_ vote: Vote, from node: Int) -> Bool {
    guard let place = proposal.parts.firstIndex(where: { $0.node == node }) else { return false }
    guard votes[place] == nil || (votes[place] == .silent && !isAlone) else { return false }
    votes[place] = vote
    return true
  }

  var locks: [LockKey] {
    if proposal.parts.count == 1 || proposal.parts[0].shares == proposal.parts[1].shares,
      proposal.parts[0].shares.count == 1
    {
      let share = proposal.parts[0].shares[0]
      if proposal.parts.allSatisfy({ $0.shares == proposal.parts[0].shares }) {
        return share.keys.map { LockKey(resource: share.resource, key: $0) }
      }
    }
    return Array(
      Set(
        proposal.parts.flatMap(\.shares).flatMap { share in
          share.keys.map { LockKey(resource: share.resource, key: $0) }
        }))
  }
}

/// A transaction that is decided, and that somebody has yet to learn of, or to carry out.
struct ToldTransaction {
  var decision: Decision
  /// Among those of its ballot; 0 for one of an earlier.
  var place: UInt64 = 0
  /// The deciders have it, until all have learnt of it.
  var isRecorded: Bool
  var listeners: [Int]
  var since: Int64
  var toldAt: Int64
  /// Who wants to know when it is carried out.
  var waiting: [CommitProtocol.Origin] = []

  init(_ decision: Decision, since: Int64) {
    self.decision = decision
    isRecorded = true
    // Who is not told of an abort asks.
    listeners = decision.outcome == .commit ? decision.listeners : []
    (self.since, toldAt) = (since, since)
  }

  /// The node has decided alone, and is carrying it out.
  init(_ decision: Decision, since: Int64, by node: Int) {
    self.init(decision, since: since)
    (isRecorded, listeners) = (false, [node])
  }
}
