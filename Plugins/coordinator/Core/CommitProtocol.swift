internal import NodeKit

/// Atomic commitment on several nodes, without clock, disk and network: it is told what happens, and then asked what is
/// to be done: ``outbox``, ``calls``, ``takeWrite()``, ``answers``, ``notices``.
///
/// It is two-phase commit (J. Gray, "Notes on Data Base Operating Systems", 1978) with presumed abort, read-only votes
/// and one phase for one participant (C. Mohan, B. Lindsay, R. Obermarck, "Transaction Management in the R* Distributed
/// Database Management System", 1986), and with *deciders*: a commit is decided when a quorum of them has it on the
/// disk. The classic protocol is the case of one decider, the coordinator itself. Where an elector names the
/// coordinator, all nodes decide, a majority is the quorum, and the elector's term is the ballot (J. Gray and L.
/// Lamport, "Consensus on Transaction Commit", 2006, of which this is the variant in which the coordinator collects the
/// votes and proposes one value for the whole transaction).
///
/// Where it departs from the papers:
/// - A new coordinator does not settle transactions one by one. It asks a quorum for all that they have recorded, takes
///   what those of the highest baseline have, and records that as the *baseline* of its own ballot before it says
///   anything. A record that is not in a later baseline is void. So an abort need not be recorded anywhere: after the
///   baseline, what is not in it was never committed. Only of a transaction whose id its proposer chose an abort is
///   recorded, so that the same id always gets the same answer.
/// - A coordinator that decides alone does not sync its own vote: the decision lies behind it on the same disk.
/// - One transaction may be prepared while the one before it on the same key is still being carried out, where the
///   resource knows how (``letOthersFollow(_:)``).
/// - Of a transaction with one participant, only that one says what became of it once it may have been asked.
/// - Participants can settle a transaction without the coordinator if one of them says that it has not voted and never
///   will.
///
/// Terms: a transaction is *prepared* on a node that has voted yes and does not know the outcome, which is then *in
/// doubt* there; *open* at the coordinator until it is decided; and *told* until all who may be prepared have carried
/// it out.
///
/// Wrong in one way for each of these compile-time switches, so that the simulator has something to find:
///
///     BROKEN_TELLS_EARLY      a commit is told before it is on the disk
///     BROKEN_VOTES_EARLY      so is the vote
///     BROKEN_GUESSES          a participant that nobody answers believes that it was an abort
///     BROKEN_PREPARES_ANEW    nobody remembers what is over
///     BROKEN_UNLOCKS_EARLY    keys are free after the vote
///     BROKEN_OVERTAKES        what follows another is carried out before that is
final class CommitProtocol {
  struct Settings {
    var me: Int
    /// All nodes that take part, in order.
    var members: [Int]
    /// Those who record decisions.
    var deciders: [Int]
    var voteTime: Int64 = 2_000_000_000
    /// So long a participant waits for the outcome before it asks.
    var doubtTime: Int64 = 1_000_000_000
    var openLimit = 10_000
    var tellLimit = 100_000
    var historyLimit = 10_000
  }

  /// Asks a resource of this node for something.
  struct ResourceCall: Equatable {
    enum Verb: String { case prepare, commit, abort }
    var number: UInt64
    var verb: Verb
    var id: String
    var share: Share
  }

  /// What a person may want to know.
  enum Notice: Equatable {
    case decided(Decision)
    case info(String)
    case warning(String)
    case error(String)
    /// A person has decided here, and rightly or wrongly.
    case heuristic(id: String, PastTransaction)
  }

  /// Who waits for the answer to a proposal.
  enum Origin: Equatable {
    case here(ticket: UInt64)
    case node(Int, number: UInt64)
  }

  let settings: Settings
  let quorum: Int
  /// How often the role has been started.
  var run: UInt64 = 0
  /// Monotonic, in nanoseconds, and milliseconds since 1970: as they were when something happened last.
  var now: Int64 = 0
  var wall: Int64 = 0
  private var jitter: UInt64

  // What is to be done.
  var outbox: [(node: Int, message: CommitMessage)] = []
  var calls: [ResourceCall] = []
  var answers: [(ticket: UInt64, answer: Answer)] = []
  var notices: [Notice] = []
  var findings: [(ticket: UInt64, finding: [Int: Finding])] = []
  var write = StoreWrite()
  var writeSince: Int64 = 0
  private var awaitedSince = Int64.max
  private var inbox: [CommitMessage] = []
  private var isSettling = false

  // Of all nodes.
  var history: History
  var hasBegun = false
  /// The nodes to which messages may arrive.
  var linked: Set<Int> = []
  /// The lives of the roles of those that have said hello.
  var runs: [Int: UInt64] = [:]
  /// Who coordinates, as far as it is known.
  var coordinator: Int?
  /// No lower ballot is listened to.
  var seen = Ballot()

  // A participant's.
  var local: [String: LocalTransaction] = [:]
  var locks = KeyLocks()
  /// The keys that others may have already, and who still is carried out with them.
  var ahead: [LockKey: String] = [:]
  /// Those that hold all of their keys now.
  var unlocked: [String] = []
  var openCalls: [UInt64: (id: String, share: Int, verb: ResourceCall.Verb)] = [:]
  var votes = CastVotes()

  // A decider's.
  var promise = PromiseRecord()
  var records: [String: Decision] = [:]

  // A coordinator's.
  var phase = Phase.following
  var ballot = Ballot()
  /// How often this node has begun to coordinate, in this life of the role.
  var reigns = 0
  var promises: [Int: (baseline: Ballot, records: [Decision])] = [:]
  /// What was sent as the baseline to each decider of this link, and which of them have it.
  var bases: [Int: (ids: [String], isDurable: Bool)] = [:]
  var open: [String: OpenTransaction] = [:]
  var queue = KeyLocks()
  var told: [String: ToldTransaction] = [:]
  var unsettled = Unsettled()
  /// Those that have all of their keys now.
  var granted: [String] = []
  var toRecord: [Decision] = []
  var toForget: [String] = []
  var lookUps: [UInt64: LookUp] = [:]
  var forwards: [UInt64: Forward] = [:]
  var lastNumber: UInt64 = 0
  var lastTransaction: UInt64 = 0
  var lastAsked: Int64 = 0
  var counts = Counts()

  enum Phase { case following, promising, basing, ready }
  struct Counts: Equatable {
    var committed = 0
    var aborted = 0
    var heuristics = 0
    var damaged = 0
  }

  init(_ settings: Settings, seed: UInt64 = 1) {
    self.settings = settings
    quorum = settings.deciders.count / 2 + 1
    jitter = seed | 1
    history = History(limit: settings.historyLimit)
  }

  var me: Int { settings.me }
  var isReady: Bool { phase == .ready }
  /// Whether time brings anything.
  var isBusy: Bool {
    !open.isEmpty || !told.isEmpty || !local.isEmpty || !lookUps.isEmpty || phase == .promising || phase == .basing
      || !write.isEmpty
  }

  /// So few are under way that what is to be sent or written does not wait for more of it.
  var isQuiet: Bool { open.count <= 2 && local.count <= 2 }

  func number() -> UInt64 {
    lastNumber += 1
    return lastNumber
  }

  /// Of the same in every simulated run.
  func random(below limit: Int64) -> Int64 {
    jitter = jitter &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int64(jitter >> 33) % max(1, limit)
  }

  // MARK: What happens

  /// Everything that happens comes through here.
  func happens(_ now: Int64, wall: Int64, _ body: () -> Void) {
    (self.now, self.wall) = (now, wall)
    body()
    settle()
    if write.isAwaited { awaitedSince = min(awaitedSince, now) }
  }

  /// What this node says to itself, until it has nothing more to say.
  private func settle() {
    guard !isSettling else { return }
    isSettling = true
    var done = 0
    while done < inbox.count {
      let message = inbox[done]
      done += 1
      receive(message, from: me)
      if done == inbox.count { flush() }
    }
    inbox.removeAll(keepingCapacity: true)
    flush()
    isSettling = false
    // What was put together last may be for this node too.
    if !inbox.isEmpty { settle() }
  }

  func say(_ message: CommitMessage, to node: Int) {
    if node == me { inbox.append(message) } else { outbox.append((node, message)) }
  }

  func receive(_ message: CommitMessage, from node: Int) {
    // Whoever says something before is greeted when this node has begun, and says it again.
    guard hasBegun else { return }
    switch message {
    case .hello(let run, let deciders, let wantsAnswer): helloCame(run, deciders, wantsAnswer, from: node)
    case .promise(let ballot): promiseCame(ballot, from: node)
    case .promised(let ballot, let baseline, let records): promisedCame(ballot, baseline, records, from: node)
    case .base(let ballot, let records): baseCame(ballot, records, from: node)
    case .based(let ballot): basedCame(ballot, from: node)
    case .record(let ballot, let decisions): recordCame(ballot, decisions, from: node)
    case .recorded(let ballot, let ids): recordedCame(ballot, ids, from: node)
    case .forget(let ballot, let ids): forgetCame(ballot, ids)
    case .refused(let ballot): refusedCame(ballot, from: node)
    case .ready(let ballot): readyCame(ballot, from: node)
    case .prepare(let transaction): prepareCame(transaction, from: node)
    case .vote(let ballot, let id, let vote): voteCame(ballot, id, vote, from: node)
    case .outcome(let decisions): for decision in decisions { outcomeCame(decision, from: node) }
    case .done(let ids): for id in ids { doneCame(id, from: node) }
    case .inquire(let id, let ballot): inquiryCame(id, ballot, from: node)
    case .ask(let id, let ballot, let run): questionCame(id, ballot, run, from: node)
    case .refuses(let id): refusalCame(id, from: node)
    case .propose(let number, let patience, let proposal):
      propose(proposal, patience: Int64(patience) * 1_000_000, .node(node, number: number))
    case .proposed(let number, let answer): proposedCame(number, answer, from: node)
    case .lookUp(let number, let id): say(.found(number: number, find(id)), to: node)
    case .found(let number, let finding): foundCame(number, finding, from: node)
    }
  }

  /// What the disk has now.
  func written(_ write: StoreWrite) {
    for next in write.then {
      switch next {
      case .send(let message, let node): say(message, to: node)
      case .prepared(let id): becamePrepared(id)
      case .held(let id): becameHeld(id)
      case .begun: begun()
      }
    }
  }

  func takeWrite() -> StoreWrite? {
    let isDue = now - writeSince > Self.lazyTime || now - awaitedSince >= Self.soonTime
    guard write.isUrgent || (!write.isEmpty && isDue) else {
      if write.isEmpty { writeSince = now }
      return nil
    }
    defer { (write, writeSince, awaitedSince) = (StoreWrite(), now, .max) }
    return write
  }

  /// What nobody waits for comes to the disk with what somebody does, and after so long by itself.
  static let lazyTime: Int64 = 500_000_000
  /// What the coordinator waits for only to forget it, or to tell who waits until all have carried it out: the next
  /// transaction's vote is mostly on its way, and one sync does for both.
  static let soonTime: Int64 = 2_000_000

  /// Time has passed.
  func tick() {
    tickCoordinator()
    tickParticipant()
    tickLookUps()
  }

  // MARK: Links

  func linkCame(_ node: Int) {
    guard settings.members.contains(node), linked.insert(node).inserted, hasBegun else { return }
    sayHello(to: node)
  }

  func linkBroke(_ node: Int) {
    linked.remove(node)
    linkWent(node)
  }

  var decidersHash: UInt64 {
    settings.deciders.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  func sayHello(to node: Int, wantsAnswer: Bool = true) {
    say(.hello(run: run, deciders: decidersHash, wantsAnswer: wantsAnswer), to: node)
  }

  private func helloCame(_ run: UInt64, _ deciders: UInt64, _ wantsAnswer: Bool, from node: Int) {
    if wantsAnswer { sayHello(to: node, wantsAnswer: false) }
    guard deciders == decidersHash else {
      runs[node] = nil
      return notices.append(
        .error(
          "node \(node) is configured otherwise: `elector`, `node` and `members` must be the same on all nodes, "
            + "so it is left out"))
    }
    if let known = runs[node], known != run { linkWent(node) }
    let isNew = runs[node] == nil
    runs[node] = run
    if isNew { notices.append(.info("Connected to peer \(node)")) }
    meet(node)
  }

  func isLinked(_ node: Int) -> Bool { node == me || runs[node] != nil }

  private func linkWent(_ node: Int) {
    guard runs.removeValue(forKey: node) != nil else { return }
    bases[node] = nil
    for transaction in openInOrder where transaction.stage == .voting {
      transaction.lost(node).map { vote($0, transaction) }
    }
    for id in told.keys.sorted() { lookWhetherApplied(id) }
    loseForwards("the link to node \(node), which coordinates, broke") { $0 == node }
    for number in lookUps.keys.sorted() { lookUpLost(number, node) }
  }

  /// Takes up with a node that can be reached again.
  private func meet(_ node: Int) {
    guard phase != .following else { return }
    if settings.deciders.contains(node) {
      if phase == .promising { say(.promise(ballot), to: node) } else { sendBase(to: node) }
    }
    guard isReady else { return }
    say(.ready(ballot), to: node)
    tell(node)
  }

  var openInOrder: [OpenTransaction] { open.values.sorted { $0.number < $1.number } }
}
