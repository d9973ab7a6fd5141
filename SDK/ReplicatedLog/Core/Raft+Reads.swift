/// Reads that wait until it is sure that nobody else leads.
struct ReadQueue: Equatable, Sendable {
  struct Read: Equatable, Sendable {
    var number: UInt64
    /// A round of heartbeats that began behind the read.
    var round: UInt64
  }
  var waiting: [Read] = []
  var confirmed: [ConfirmedRead] = []
  /// Numbers that nobody can confirm any more.
  var failed: [UInt64] = []
  /// Whether an entry of the leader's term is final: before that it does not know what is.
  var termBegan = false

  mutating func fail() {
    failed += waiting.map(\.number)
    waiting = []
    termBegan = false
  }
}

package struct ConfirmedRead: Equatable, Sendable {
  package var number: UInt64
  /// Whoever has applied up to here has seen everything that was final before the read began.
  package var index: UInt64
}

// How reads see everything that was acknowledged before them (section 8, thesis 6.4).
extension Raft {
  /// Asks for a confirmation that this member leads. It comes in ``takeReads()``.
  package mutating func read(_ number: UInt64) {
    guard role == .leader else { return reads.failed.append(number) }
    #if BROKEN_STALE_READ
      let isSure = role == .leader
    #else
      let isSure = reads.termBegan && (isAlone || hasLease)
    #endif
    if isSure {
      return reads.confirmed.append(ConfirmedRead(number: number, index: committed))
    }
    // One round serves all that wait; those that come while it is under way get the next.
    let isRoundFree = rounds.confirmed == rounds.last || reads.waiting.isEmpty
    reads.waiting.append(ReadQueue.Read(number: number, round: rounds.last + 1))
    if isRoundFree, !isAlone { beat() }
  }

  package mutating func takeReads() -> (confirmed: [ConfirmedRead], failed: [UInt64]) {
    if role == .leader, isAlone { confirmReads() }
    defer { (reads.confirmed, reads.failed) = ([], []) }
    return (reads.confirmed, reads.failed)
  }

  /// Whether nobody else can lead yet: a majority heard this leader so recently that it votes for nobody.
  var hasLease: Bool {
    !hasLetGo && settings.lease > 0 && now - rounds.confirmedAt < settings.lease && rounds.confirmed > 0
  }

  mutating func confirmRounds() {
    var numbers = followers.map(\.round) + [rounds.last]
    numbers.sort(by: >)
    rounds.confirm(numbers[settings.majority - 1])
    confirmReads()
    if reads.waiting.contains(where: { $0.round > rounds.last }) { beat() }
  }

  mutating func confirmReads() {
    guard reads.termBegan else { return }
    let isSure = isAlone
    let sure = reads.waiting.filter { isSure || $0.round <= rounds.confirmed }
    guard !sure.isEmpty else { return }
    reads.waiting.removeAll { isSure || $0.round <= rounds.confirmed }
    reads.confirmed += sure.map { ConfirmedRead(number: $0.number, index: committed) }
  }
}
