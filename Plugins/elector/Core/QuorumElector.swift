/// The bully algorithm with votes: a node leads only while a majority acknowledges it.
///
/// Who may lead is decided as bullies do: whoever misses the leader asks all of higher rank, and stands back if one of
/// them answers. Whether it does lead is decided by votes: it polls first, which changes nothing, and then asks for
/// votes in a new term, each node voting once a term and writing that down before it says so. Terms only grow.
///
/// Whoever votes for a node, or hears it as the leader, promises to let nobody else be elected for the length of a
/// lease; the leader counts its own, shorter, lease from when it sent what a majority has answered. So the leader knows
/// that it leads no more before another one can, as long as clocks differ in speed by no more than the skew.
public struct QuorumElector: Elector {
  /// A node that speaks of later ones is broken: nobody gets there by counting.
  static let lastTerm = UInt64.max / 2

  public internal(set) var standing = Standing()
  let me: Int
  var rank: Rank
  let timing: Timing
  /// The others.
  var members: [Int: Member] = [:]
  private var effects: [Effect] = []
  private var numbers: SmallNumbers

  /// As it is on the disk, where every term is before anybody hears of it; and what is on its way there.
  var ballot: Ballot
  var writing: Ballot?
  /// A later term that another node knows.
  var heardOf: UInt64 = 0
  /// The leader of this term has let go of it; what it said before may still come.
  var releasedTerm: UInt64 = 0
  /// A leader of a later term is followed as soon as that is on the disk.
  var comingLeader: (message: ElectorMessage, node: Int)?
  /// To whom the vote that is being written goes, and the question.
  var voteRequest: ElectorMessage?

  /// Nobody but `to` gets a vote of this node until then.
  var promise: (to: Int?, term: UInt64, until: Int64)
  /// When a follower that has heard nothing until then begins an election.
  var electionAt: Int64
  /// When the present step of an election has taken too long.
  var phaseEnd = Int64.max
  /// When this step's question was asked.
  var asked: Int64 = 0
  var granted: Set<Int> = []
  var refused: Set<Int> = []
  /// Elections that came to nothing, since a leader was heard.
  var failures: Int64 = 0
  /// Those of higher rank have had their chance.
  var isEscalated = false
  var restsUntil = Int64.min
  var nextBeat = Int64.max
  var leaseUntil = Int64.min
  /// How often it was handed over to a node in vain.
  var vainHandovers: [Int: Int] = [:]
  /// Told once, until it changes.
  var complaint = ""

  /// - Parameters:
  ///   - others: the ids of all other nodes that take part.
  ///   - seed: for what is drawn by lot, which only spreads candidates in time.
  public init(me: Int, priority: Int32 = 0, others: [Int], timing: Timing, ballot: Ballot, seed: UInt64, now: Int64) {
    (self.me, self.timing, self.ballot) = (me, timing, ballot)
    rank = Rank(priority: priority, id: me)
    numbers = SmallNumbers(state: seed)
    for id in others where id != me { members[id] = Member(rank: Rank(id: id)) }
    standing.term = ballot.term
    // What it promised before it was started again, it does not know any more.
    let isAlone = members.isEmpty
    promise = (nil, 0, isAlone ? now : now + timing.lease)
    electionAt = promise.until
  }

  public var majority: Int {
    #if BROKEN_SMALL_MAJORITY
      return (members.count + 1) / 2
    #else
      return (members.count + 1) / 2 + 1
    #endif
  }
  var reach: Int { 1 + members.values.count { $0.upSince != nil } }

  public mutating func takeEffects() -> [Effect] {
    defer { effects = [] }
    return effects
  }

  public var nextTick: Int64 {
    switch standing.state {
    case .following: electionAt
    case .leading: min(nextBeat, leaseUntil)
    default: phaseEnd
    }
  }

  public mutating func tick(_ now: Int64) {
    switch standing.state {
    case .following where now >= electionAt: begin(now)
    case .asking where now >= phaseEnd: poll(now)
    case .waiting where now >= phaseEnd:
      log("a node of higher rank answered, but does not lead; going on without it")
      isEscalated = true
      begin(now)
    case .polling where now >= phaseEnd, .voting where now >= phaseEnd:
      complain(
        "\(granted.count) of \(members.count + 1) would have this node lead, \(majority) must; trying again", now)
      tryLater(now)
      #if BROKEN_ONE_TRY
        electionAt = .max
      #endif
    case .leading: lead(on: now)
    default: break
    }
  }

  // MARK: Doing

  mutating func say(
    _ kind: ElectorMessage.Kind, to node: Int, term: UInt64? = nil, stamp: Int64 = 0, node about: Int? = nil,
    reach: Int? = nil
  ) {
    let message = ElectorMessage(
      kind, priority: rank.priority, term: term ?? standing.term, stamp: stamp, node: about,
      reach: UInt16(clamping: reach ?? self.reach))
    effects.append(.send(message, to: node))
  }

  mutating func sayToAll(_ kind: ElectorMessage.Kind, term: UInt64? = nil, stamp: Int64 = 0, node: Int? = nil) {
    for id in linked { say(kind, to: id, term: term, stamp: stamp, node: node) }
  }

  /// In an order that is always the same.
  var linked: [Int] { members.filter { $0.value.upSince != nil }.keys.sorted() }

  mutating func store(_ ballot: Ballot, _ now: Int64) {
    writing = ballot
    effects.append(.store(ballot))
    #if BROKEN_VOTE_NOT_STORED
      stored(ballot, now)
    #endif
  }

  mutating func log(_ words: String) { effects.append(.log("node \(me): \(words)")) }

  /// Says what keeps being so only once.
  mutating func complain(_ words: String, _ now: Int64) {
    guard words != complaint else { return }
    complaint = words
    log(words)
  }

  mutating func become(_ state: Standing.State, leader: Int?, _ now: Int64) {
    let before = standing
    standing.state = state
    standing.leader = leader
    if before.leader != leader || (before.state == .leading) != (state == .leading) { effects.append(.changed) }
  }

  mutating func renewed() { effects.append(.renewed(until: leaseUntil)) }

  mutating func jitter(_ most: Int64) -> Int64 { Int64(numbers.next() % UInt64(max(1, most))) }
}

/// A generator that is a value: the same seed, the same numbers.
struct SmallNumbers: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
