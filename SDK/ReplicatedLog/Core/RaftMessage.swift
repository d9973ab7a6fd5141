/// What members tell one another. Each message is of the sender's term.
package enum RaftMessage: Equatable, Sendable {
  /// Asks for a vote in the message's term. `isTrial` only asks whether there would be one (pre-vote): nobody's term
  /// rises for somebody who cannot win. `isWanted` says that the leader itself asked for the election.
  case voteRequest(lastIndex: UInt64, lastTerm: UInt64, isTrial: Bool, isWanted: Bool)
  case voteAnswer(isGranted: Bool, isTrial: Bool)
  /// Entries behind the place `index`, whose entry is of `term`.
  case append(index: UInt64, term: UInt64, committed: UInt64, entries: [Entry])
  /// The sender has on its disk what the leader has, up to `index`.
  case appended(index: UInt64)
  /// It has something else at `index`; `hint` is where to try next.
  case mismatch(index: UInt64, hint: UInt64)
  /// Everything up to `index`, of which the receiver has the entries, is committed.
  case committed(index: UInt64)
  case heartbeat(round: UInt64, committed: UInt64)
  case heartbeatAnswer(round: UInt64)
  /// Part of a snapshot, which is `total` bytes long.
  case piece(index: UInt64, term: UInt64, offset: UInt64, total: UInt64, bytes: [UInt8])
  /// The receiver has the snapshot of `index` up to `offset`.
  case pieceTaken(index: UInt64, offset: UInt64)
  /// The leader wants the receiver to take its place now.
  case takeOver
  /// For the leader: what is to become entries. It answers with the number.
  case propose(number: UInt64, proposals: [Proposal])
  case proposeAnswer(number: UInt64, isTaken: Bool)
  /// Asks the leader for how far one must have applied to have seen all that was acknowledged before.
  case read(number: UInt64)
  case readAnswer(number: UInt64, index: UInt64)
}

/// An entry before it has a place.
package struct Proposal: Equatable, Sendable {
  package var origin: Origin
  package var bytes: [UInt8]

  package init(origin: Origin, bytes: [UInt8]) { (self.origin, self.bytes) = (origin, bytes) }
}

/// A message on its way.
package struct Envelope: Equatable, Sendable {
  /// Whom it goes to, or where it comes from.
  package var member: Int
  package var term: UInt64
  package var message: RaftMessage

  package init(member: Int, term: UInt64, message: RaftMessage) {
    (self.member, self.term, self.message) = (member, term, message)
  }
}
