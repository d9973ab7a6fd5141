/// What the members agree on at one place of the log.
package struct Entry: Equatable, Sendable {
  /// Of the leader that put it there.
  package var term: UInt64
  /// Who proposed it. Nil: nobody did, it is how a leader begins its term.
  package var origin: Origin?
  package var bytes: [UInt8]

  package init(term: UInt64, origin: Origin? = nil, bytes: [UInt8] = []) {
    (self.term, self.origin, self.bytes) = (term, origin, bytes)
  }

  /// About what it takes in memory, on the disk and in a message.
  var size: Int { bytes.count + 48 }
}

/// A proposal's name, the same when it is proposed again because a leader may have died with it. Each name is applied
/// once.
package struct Origin: Equatable, Sendable {
  package var member: Int
  /// How many times that member had started.
  package var run: UInt64
  /// Counts the proposals of that run, from 1.
  package var sequence: UInt64
  /// The member waits for no proposal of this run below this one, so none of those is wanted any more.
  package var floor: UInt64

  package init(member: Int, run: UInt64, sequence: UInt64, floor: UInt64) {
    (self.member, self.run, self.sequence, self.floor) = (member, run, sequence, floor)
  }
}

/// What was applied up to a place of the log, instead of the entries.
package struct Snapshot: Equatable, Sendable {
  package var index: UInt64
  package var term: UInt64
  package var bytes: [UInt8]

  package init(index: UInt64, term: UInt64, bytes: [UInt8]) {
    (self.index, self.term, self.bytes) = (index, term, bytes)
  }
}

/// What a member must know of itself after a crash, besides its log.
package struct Promise: Equatable, Sendable {
  package var term: UInt64 = 0
  /// Whom it voted for in that term.
  package var vote: Int?
  /// How many times it has started.
  package var run: UInt64 = 0

  package init(term: UInt64 = 0, vote: Int? = nil, run: UInt64 = 0) {
    (self.term, self.vote, self.run) = (term, vote, run)
  }
}
