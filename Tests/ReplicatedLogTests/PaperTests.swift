import ReplicatedLog
import Testing

/// Single claims of the Raft paper (Ongaro and Ousterhout, extended version), by section.
@Suite struct PaperTests {
  private static func log(_ terms: UInt64...) -> EntryList {
    var log = EntryList()
    for term in terms { log.append(Entry(term: term)) }
    return log
  }

  private static func core(
    _ me: Int, of count: Int = 3, promise: Promise = Promise(), log: EntryList = EntryList()
  ) -> Raft {
    var raft = Raft(RaftSettings(me: me, members: Array(1...count)), seed: UInt64(me))
    raft.start(promise: promise, snapshot: nil, log: log, now: 0)
    // Past the time in which a member that has just started votes for nobody.
    raft.advance(to: 299_999_999)
    return raft
  }

  private static func request(_ from: Int, _ term: UInt64, _ last: UInt64 = 0, _ lastTerm: UInt64 = 0) -> Envelope {
    Envelope(
      member: from, term: term,
      message: .voteRequest(lastIndex: last, lastTerm: lastTerm, isTrial: false, isWanted: true))
  }

  private static func votes(_ messages: [Envelope]) -> [Bool] {
    messages.compactMap { if case .voteAnswer(let isGranted, false) = $0.message { isGranted } else { nil } }
  }

  /// Section 5.2: each server votes for at most one candidate in a term; figure 2: updated on stable storage before
  /// responding.
  @Test func aVoteIsKeptBeforeItIsTold() throws {
    var raft = Self.core(2)
    _ = raft.takeWrite()
    raft.written()
    raft.receive(Self.request(1, 5))
    let taken = raft.takeWrite()
    let write = try #require(taken)
    #expect(write.promise?.term == 5 && write.promise?.vote == 1)
    #expect(Self.votes(raft.takeMessages()) == [], "the disk does not have it yet")
    raft.written()
    #expect(Self.votes(raft.takeMessages()) == [true])
    raft.receive(Self.request(3, 5))
    #expect(Self.votes(raft.takeMessages()) == [false])

    let promise = try #require(write.promise)
    var again = Self.core(2, promise: promise)
    _ = again.takeWrite()
    again.written()
    again.receive(Self.request(3, 5))
    #expect(Self.votes(again.takeMessages()) == [false])
    again.receive(Self.request(1, 5))
    #expect(Self.votes(again.takeMessages()) == [true], "the same one may ask twice")
  }

  /// Section 5.4.1: the voter denies its vote if its own log is more up-to-date.
  @Test(arguments: [(2, 2, false), (3, 2, true), (4, 1, false), (1, 3, true)] as [(UInt64, UInt64, Bool)])
  func onlyWhoHasEverythingIsVotedFor(last: UInt64, term: UInt64, isGranted: Bool) {
    var raft = Self.core(2, promise: Promise(term: 3), log: Self.log(1, 1, 2))
    raft.receive(Self.request(1, 4, last, term))
    _ = raft.takeWrite()
    raft.written()
    #expect(Self.votes(raft.takeMessages()) == [isGranted])
  }

  /// Section 5.4.2 and figure 8: an entry of an earlier term on a majority's disks is not final by that; with one of
  /// the leader's own term behind it, it is.
  @Test func entriesOfEarlierTermsAreNotCounted() {
    // Server 1 of figure 8 (c): the entry of term 2 at index 2 is only on itself and one other.
    var leader = Self.core(1, of: 5, promise: Promise(term: 3), log: Self.log(1, 2))
    leader.advance(to: leader.wakeAt)
    for member in [2, 3] {
      leader.receive(Envelope(member: member, term: 4, message: .voteAnswer(isGranted: true, isTrial: true)))
    }
    _ = leader.takeWrite()
    leader.written()
    for member in [2, 3] {
      leader.receive(Envelope(member: member, term: 4, message: .voteAnswer(isGranted: true, isTrial: false)))
    }
    #expect(leader.role == .leader && leader.term == 4 && leader.log.lastIndex == 3)
    _ = leader.takeWrite()
    leader.written()
    for member in [2, 3] { leader.receive(Envelope(member: member, term: 4, message: .appended(index: 2))) }
    #expect(leader.committed == 0, "it is on three of five, and of term 2")
    leader.receive(Envelope(member: 2, term: 4, message: .appended(index: 3)))
    #expect(leader.committed == 0)
    leader.receive(Envelope(member: 3, term: 4, message: .appended(index: 3)))
    #expect(leader.committed == 3)
  }

  /// Section 5.3 and figure 7: a follower's log may lack entries, have others, or both; it becomes the leader's.
  @Test(arguments: [
    log(1, 1, 1, 4, 4, 5, 5, 6, 6), log(1, 1, 1, 4), log(1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6),
    log(1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7), log(1, 1, 1, 4, 4, 4, 4), log(1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3),
  ])
  func logsBecomeTheLeaders(log: EntryList) {
    let leaders = Self.log(1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 8)
    var follower = Self.core(2, promise: Promise(term: 7), log: log)
    var index = leaders.lastIndex - 1, rounds = 0
    while rounds < 20 {
      rounds += 1
      let entries = (index..<leaders.lastIndex).map { leaders[$0 + 1] }
      follower.receive(
        Envelope(
          member: 1, term: 8,
          message: .append(index: index, term: leaders.term(at: index) ?? 0, committed: 0, entries: entries)))
      _ = follower.takeWrite()
      follower.written()
      let answers = follower.takeMessages().map(\.message)
      if answers.contains(.appended(index: leaders.lastIndex)) { break }
      for case .mismatch(_, let hint) in answers { index = min(hint, index - 1) }
    }
    #expect(follower.log == leaders && rounds < 8, "\(rounds) rounds")
  }

  /// Thesis 6.4.1 and 9.6: whoever hears a leader helps nobody to overthrow it.
  @Test func whoHearsALeaderVotesForNobodyElse() {
    var raft = Self.core(2, promise: Promise(term: 4))
    raft.receive(Envelope(member: 1, term: 4, message: .heartbeat(round: 1, committed: 0)))
    _ = raft.takeWrite()
    raft.written()
    _ = raft.takeMessages()
    let unwanted = Envelope(
      member: 3, term: 9, message: .voteRequest(lastIndex: 9, lastTerm: 9, isTrial: false, isWanted: false))
    raft.receive(unwanted)
    #expect(raft.term == 4 && raft.takeMessages().isEmpty)
    raft.advance(to: 700_000_000)
    raft.receive(unwanted)
    #expect(raft.term == 9)
  }
}
