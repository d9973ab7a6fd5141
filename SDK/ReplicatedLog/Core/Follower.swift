/// What a leader knows of another member.
struct Follower: Equatable, Sendable {
  enum Mode: Equatable, Sendable {
    /// Where the logs part is looked for, one message at a time.
    case probing
    /// Entries go without waiting for answers.
    case streaming
    /// The entries that it needs are gone; it gets the snapshot, up to `offset` so far.
    case copying(Snapshot, offset: Int)
  }

  let member: Int
  var mode = Mode.probing
  /// Up to here its disk has the leader's log.
  var match: UInt64 = 0
  /// What to send next.
  var next: UInt64
  /// The last index of each message of entries that is not answered yet.
  var inFlight: [UInt64] = []
  /// Whether a probe or a piece of a snapshot waits for its answer.
  var isWaiting = false
  /// The highest commit that it was told.
  var told: UInt64 = 0
  /// The latest heartbeat that it answered.
  var round: UInt64 = 0
  /// When it last got on, or was sent something after a pause.
  var movedAt: Int64

  /// Begins anew behind what is known: something was lost.
  mutating func probe(now: Int64) {
    mode = .probing
    next = match + 1
    inFlight = []
    isWaiting = false
    movedAt = now
  }

  mutating func matched(_ index: UInt64, now: Int64) {
    if case .copying(let snapshot, _) = mode, index < snapshot.index { return }
    match = max(match, index)
    next = max(next, match + 1)
    inFlight.removeAll { $0 <= index }
    mode = .streaming
    isWaiting = false
    movedAt = now
  }
}

/// The heartbeats that may still be answered: when each was sent.
struct Rounds: Equatable, Sendable {
  private(set) var last: UInt64 = 0
  /// The latest that a majority has answered, and when it was sent.
  private(set) var confirmed: UInt64 = 0
  private(set) var confirmedAt: Int64
  private var sent: [(number: UInt64, time: Int64)] = []

  init(now: Int64 = 0) { confirmedAt = now }

  mutating func begin(_ time: Int64) -> UInt64 {
    last += 1
    sent.append((last, time))
    return last
  }

  mutating func confirm(_ number: UInt64) {
    guard number > confirmed, let round = sent.first(where: { $0.number == number }) else { return }
    (confirmed, confirmedAt) = round
    sent.removeAll { $0.number <= number }
  }

  static func == (left: Rounds, right: Rounds) -> Bool {
    (left.last, left.confirmed, left.confirmedAt) == (right.last, right.confirmed, right.confirmedAt)
  }
}
