/// One member of a group that keeps one log: the algorithm Raft (Ongaro and Ousterhout, "In Search of an
/// Understandable Consensus Algorithm"; Ongaro's thesis for what goes beyond it), without clock, disk and network.
///
/// It is told what happens (``advance(to:)``, ``receive(_:)``, ``propose(_:)``, ``written(_:)``), and then asked what is
/// to be done: ``takeWrite()``, ``takeMessages()``, ``takeCommitted(limit:)``.
///
/// Terms: an entry is *durable* when it is on this member's disk, *committed* when it is on a majority's, which makes
/// it final, and *applied* when the state machine has it.
///
/// Where it goes beyond the paper:
/// - Votes are asked for in vain first (pre-vote, thesis 9.6), so a member that comes back disturbs nobody.
/// - A follower that hears its leader votes for nobody (thesis 6.4.1), which gives the leader a lease for reads. What a
///   member has promised so it forgets in a crash, so it votes for nobody for as long after its start.
/// - A leader that hears no majority steps down (thesis 6.2).
/// - Followers get entries while the leader's own disk still writes them (thesis 10.2.1).
/// - Heartbeats are messages of their own: they overtake entries, and need no disk.
///
/// Wrong in one way for each of these compile-time switches, so that the simulator has something to find:
///
///     BROKEN_EARLY_ANSWER     what is on the leader's own disk counts as final
///     BROKEN_UNSYNCED_ANSWER  a follower acknowledges what its disk does not have yet
///     BROKEN_FORGETS_VOTE     a member that starts knows not whom it voted for, and votes at once
///     BROKEN_OLD_TERM         entries of earlier terms become final by counting
///     BROKEN_STALE_READ       a leader believes that it still is one
///     BROKEN_APPLIES_TWICE    a snapshot is named after the entry before its last
package struct Raft: Sendable {
  package enum Role: Sendable { case follower, trying, candidate, leader }

  package let settings: RaftSettings
  package internal(set) var now: Int64 = 0
  package internal(set) var promise = Promise()
  package internal(set) var log = EntryList()
  /// What stands for the entries that were cut off; nil at the beginning.
  package internal(set) var snapshot: Snapshot?
  package internal(set) var role = Role.follower
  package internal(set) var leader: Int?
  package internal(set) var committed: UInt64 = 0
  package internal(set) var applied: UInt64 = 0
  /// Something that cannot happen unless a member is broken; for the log.
  var complaint: String?

  var disk = DiskProgress()
  var outbox: [Envelope] = []
  /// Messages that wait until the promise is on the disk.
  var held: [Envelope] = []
  var random: SplitMix

  // A follower's.
  var electionDeadline: Int64 = 0
  /// When a leader was last heard, or this member began.
  var heardAt: Int64 = 0
  /// How far the log is known to be the leader's, if that is not answered yet.
  var owed: UInt64?
  var incoming: IncomingSnapshot?
  /// What the entries took that stayed behind the snapshot.
  var keptSize = 0
  /// What a snapshot that has arrived stands for, until the state machine has it.
  var restoring: Snapshot?

  // A candidate's.
  var votes: [Int] = []
  var isWanted = false

  // A leader's.
  var followers: [Follower] = []
  var heartbeatDue: Int64 = 0
  var rounds = Rounds()
  var reads = ReadQueue()
  /// Where its term begins in the log.
  var termStart: UInt64 = 0
  var transfer: Transfer?
  /// Somebody was asked to take over in this term, so no lease holds any more.
  var hasLetGo = false

  package init(_ settings: RaftSettings, seed: UInt64) {
    self.settings = settings
    random = SplitMix(state: seed)
  }

  var isAlone: Bool { settings.members.count == 1 }
  package var term: UInt64 { promise.term }

  /// Begins with what the disk has.
  package mutating func start(promise stored: Promise, snapshot: Snapshot?, log: EntryList, now: Int64) {
    self.now = now
    promise = stored
    promise.run += 1
    self.snapshot = snapshot
    self.log = log
    committed = snapshot?.index ?? 0
    applied = committed
    restoring = nil
    disk = DiskProgress(durable: log.lastIndex, isPromiseNew: true)
    heardAt = now
    #if BROKEN_FORGETS_VOTE
      heardAt = now - settings.electionTimeout
    #endif
    electionDeadline = now + electionWait()
    if isAlone { stand(isWanted: false) }
  }

  /// What time brings.
  package mutating func advance(to time: Int64) {
    now = max(now, time)
    switch role {
    case .leader: if now >= heartbeatDue { beat() }
    case .follower, .trying, .candidate: if now >= electionDeadline { tryToStand() }
    }
  }

  /// When to ``advance(to:)`` next, if nothing happens before.
  package var wakeAt: Int64 {
    guard role == .leader else { return electionDeadline }
    return isAlone ? .max : heartbeatDue
  }

  package mutating func receive(_ envelope: Envelope) {
    guard settings.members.contains(envelope.member), envelope.member != settings.me else { return }
    guard meet(envelope) else { return }
    let member = envelope.member
    switch envelope.message {
    case .voteRequest(let index, let term, let isTrial, _):
      answerVote(member, envelope.term, lastIndex: index, lastTerm: term, isTrial)
    case .voteAnswer(let isGranted, let isTrial): count(member, envelope.term, isGranted, isTrial)
    case .append, .heartbeat, .piece, .committed, .takeOver: obey(member, envelope.message)
    case .appended, .mismatch, .heartbeatAnswer, .pieceTaken: heard(member, envelope.message)
    case .propose, .proposeAnswer, .read, .readAnswer: break
    }
  }

  /// What a leader says.
  private mutating func obey(_ member: Int, _ message: RaftMessage) {
    guard role != .leader else {
      complaint = "member \(member) says that it leads term \(term), which this member leads"
      return
    }
    follow(member)
    switch message {
    case .append(let index, let term, let committed, let entries): take(entries, behind: index, term, committed)
    case .committed(let index): commit(index, known: log.lastIndex)
    case .heartbeat(let round, let index):
      commit(index, known: log.lastIndex)
      send(.heartbeatAnswer(round: round), to: member)
    case .piece(let index, let term, let offset, let total, let bytes):
      take(SnapshotPiece(index: index, term: term, offset: offset, total: total, bytes: bytes))
    case .takeOver: stand(isWanted: true)
    default: break
    }
  }

  /// Whether the message counts: it is of this term now.
  private mutating func meet(_ envelope: Envelope) -> Bool {
    if case .voteRequest(_, _, let isTrial, let isWanted) = envelope.message {
      // Whoever hears a leader does not help to overthrow it.
      if envelope.term > term, !isWanted, hearsLeader { return false }
      // A trial's term is one that nobody has reached.
      if isTrial { return true }
    }
    if case .voteAnswer(true, isTrial: true) = envelope.message { return true }
    if envelope.term > term { follow(nil, term: envelope.term) }
    if envelope.term < term { correct(envelope) }
    return envelope.term == term
  }

  private var hearsLeader: Bool { role == .leader || now - heardAt < settings.electionTimeout }

  /// Tells somebody of an older term so, or it would go on for ever.
  private mutating func correct(_ envelope: Envelope) {
    switch envelope.message {
    case .append, .heartbeat, .piece: send(.heartbeatAnswer(round: 0), to: envelope.member)
    case .voteRequest: send(.voteAnswer(isGranted: false, isTrial: false), to: envelope.member)
    default: break
    }
  }

  mutating func send(_ message: RaftMessage, to member: Int) {
    outbox.append(Envelope(member: member, term: term, message: message))
  }

  /// Takes over that all up to `index` is committed, of which this member has what is `known`.
  mutating func commit(_ index: UInt64, known: UInt64) { committed = max(committed, min(index, known)) }

  /// What to send now. Ask after ``takeWrite()``: entries go to the followers when they go to the disk.
  package mutating func takeMessages() -> [Envelope] {
    if role == .leader { sendEntries() }
    defer { outbox = [] }
    return outbox
  }

  package mutating func takeComplaint() -> String? {
    defer { complaint = nil }
    return complaint
  }

  /// Whether the state machine has all entries, of which none is open.
  package var hasAppliedAll: Bool { restoring == nil && applied == log.lastIndex && role == .leader }

  /// Entries to apply now, and the index of the first.
  package mutating func takeCommitted(limit: Int) -> (first: UInt64, entries: [Entry])? {
    // What this member's own disk does not have yet may be final, but would be missing behind its next start.
    let end = min(committed, disk.durable)
    guard restoring == nil, applied < end else { return nil }
    let first = applied + 1
    let entries = log.slice(from: first, through: end, room: settings.writeBytes, count: limit)
    applied += UInt64(entries.count)
    return (first, entries)
  }
}

/// SplitMix64.
struct SplitMix: RandomNumberGenerator, Sendable {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
