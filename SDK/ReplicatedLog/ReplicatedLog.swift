public import NodeKit

/// One order of entries that the same role on several nodes agrees on. An entry that was proposed on any of them, and
/// answered, is applied on all of them, once, at the same place of the order, and it stays as long as a majority of the
/// nodes keep their disks; a minority may be down. With a single member it is a log on that node's disk.
///
///     log = try ReplicatedLog(context, members: [1, 2, 3], state: map)
///     …
///     try log.start { result in try result.get() }               // in the role's `start`
///     log.propose(Array("k=v".utf8)) { result in … }              // on any member
///     log.read { result in … map … }                              // sees all that was answered before
///
/// The role needs ``needs``. It takes its messages and links from ``whenMessage`` and ``whenLink``, since those of
/// `context.peers` are the log's. In `save` it calls ``suspend()``.
public final class ReplicatedLog {
  /// The services that it uses.
  public static let needs: [Need] = [.peers, .store, .timer, .random]

  public let members: [Int]
  public let settings: ReplicatedLogSettings
  /// Messages for the role's own channels.
  public var whenMessage: ((Message) throws -> Void)?
  /// Links that come up or go down.
  public var whenLink: ((LinkChange) throws -> Void)?
  public var whenStandingChanges: ((Standing) throws -> Void)?
  public internal(set) var standing = Standing.follower(of: nil, term: 0)

  /// Where it is in its life. Only while it runs does it take part.
  enum Phase { case made, reading, running, suspended, ended }

  let context: RoleContext
  let state: any ReplicatedState
  let store: LogStore
  let membersHash: UInt64
  /// Of a proposal or read whose caller does not say how long it may take; in nanoseconds.
  private let usualWait: Int64
  var phase = Phase.made
  var raft: Raft
  var sessions = Sessions()
  /// What the state was before the first entry.
  var empty: [UInt8] = []
  var whenReady: ((Result<Void, RoleError>) throws -> Void)?

  var proposals = OpenProposals()
  var reads = OpenReads()
  var lastRead: UInt64 = 0
  var forward: Forward?
  var lastForward: UInt64 = 0
  var askedAt: Int64 = 0
  var foreignReads: [ForeignRead] = []

  var isPumping = false
  var mustPumpAgain = false
  var isWriting = false
  /// A write that the store had no room for, and when to try again.
  var refusedWrite: (write: Write, at: Int64)?
  /// What is wrong with the disk, while it is.
  var trouble: String?
  var timer: Timer?
  var timerDue: Int64 = .max
  /// Members about whom a complaint was logged, so that it is logged once.
  var complained: Set<Int> = []

  /// - Parameters:
  ///   - members: the ids of the nodes that have the log, this one among them; the same on each. 1 to 15, and an odd
  ///     number is best: of three one may be down, of five two.
  ///   - state: what the entries make.
  public init(
    _ context: RoleContext, members: [Int], settings: ReplicatedLogSettings = ReplicatedLogSettings(),
    state: any ReplicatedState
  ) throws {
    try settings.check()
    try Self.check(members, context.nodeID)
    self.context = context
    self.members = members.sorted()
    self.settings = settings
    self.state = state
    membersHash = MessageCodec.hash(members: members)
    usualWait = Self.wait(settings.timeout)
    store = LogStore(context.store, prefix: settings.storePrefix)
    raft = Raft(settings.raft(me: context.nodeID, members: members), seed: 0)
  }

  private static func check(_ members: [Int], _ me: Int) throws {
    func wrong(_ message: String) -> RoleError { RoleError(.invalidArgument, "replicated log: \(message)") }
    guard (1...15).contains(members.count) else { throw wrong("\(members.count) members; give it 1 to 15") }
    guard Set(members).count == members.count else { throw wrong("a member is listed twice; list each once") }
    guard members.allSatisfy({ UInt32(exactly: $0) != nil }) else { throw wrong("a member is no node's id") }
    guard members.contains(me) else {
      throw wrong("this node, \(me), is none of the members \(Self.list(members)); list it, or run no member here")
    }
  }

  static func list(_ members: [Int]) -> String { members.map { "\($0)" }.joined(separator: ", ") }

  // MARK: What it knows

  /// The member that leads, as far as this one knows.
  public var leader: Int? { phase == .running ? raft.leader : nil }
  public var isLeader: Bool { phase == .running && raft.role == .leader }
  public var term: UInt64 { raft.term }
  /// The index of the last entry that the state has.
  public var appliedIndex: UInt64 { raft.applied }
  /// And of the last that is final, as far as this member knows.
  public var committedIndex: UInt64 { raft.committed }

  /// Why nothing gets on at the moment, for the role's `health`; nil: it does.
  public var problem: String? {
    phase == .running && trouble == nil && raft.leader != nil ? nil : missing
  }

  // MARK: What it does

  /// Reads the store, gives the state what it finds, and takes part from then on. `ready` comes when that is done; with
  /// one member, when the state has everything.
  public func start(then ready: @escaping (Result<Void, RoleError>) throws -> Void) throws {
    guard phase == .made else { throw RoleError(.failedPrecondition, "the replicated log was started before") }
    empty = wrapped(state.snapshot())
    raft = Raft(settings.raft(me: context.nodeID, members: members), seed: context.random.next())
    // An answer to the build before this one must not count for what this one asks.
    lastRead = context.random.next() >> 16
    lastForward = context.random.next() >> 16
    whenReady = ready
    try context.peers.onMessage { [unowned self] in try take($0) }
    try context.peers.onLink { [unowned self] in try linkChanged($0) }
    try readStore()
  }

  /// Proposes an entry, of up to 1 MiB, on any member. `done` gets what ``ReplicatedState/apply(_:at:)`` answered on
  /// this member. ``Status/unavailable`` says whether it may have happened nevertheless.
  public func propose(
    _ entry: [UInt8], timeout: Duration? = nil, then done: @escaping (Result<[UInt8], RoleError>) throws -> Void
  ) {
    if let refusal = refusal(of: entry) { return tell(done, .failure(refusal)) }
    proposals.add(entry, deadline: deadline(timeout), done)
    if waitsForDisk, proposals.nextDeadline >= timerDue { return }
    pump()
  }

  /// Calls `done` when the state has everything that any member had answered before this call (a linearizable read), on
  /// any member.
  public func read(timeout: Duration? = nil, then done: @escaping (Result<Void, RoleError>) throws -> Void) {
    beginRead(timeout, mustLead: false, done)
  }

  /// The same, but fails with ``Status/unavailable`` unless this member leads.
  public func confirmLeadership(
    timeout: Duration? = nil, then done: @escaping (Result<Void, RoleError>) throws -> Void
  ) {
    beginRead(timeout, mustLead: true, done)
  }

  /// Gives the lead to the member that has most of the log, if this one has it: for a planned stop. The others go on
  /// without waiting for an election.
  public func transferLeadership() {
    guard isLeader else { return }
    raft.transferLeadership(among: members.filter { $0 != context.nodeID && isUp($0) })
    pump()
  }

  /// Hands over and lets go of everything that is in memory. For `save`: the next build believes the store. If the swap
  /// is undone, this build reads the store again by itself.
  public func suspend() {
    guard phase == .running || phase == .reading else { return }
    transferLeadership()
    phase = .suspended
    failOpen("the role is being stopped or swapped")
  }

  private func deadline(_ timeout: Duration?) -> Int64 {
    context.now.nanoseconds &+ (timeout.map(Self.wait) ?? usualWait)
  }

  /// A year is as good as for ever.
  private static func wait(_ timeout: Duration) -> Int64 {
    Moment(nanoseconds: 0).advanced(by: min(max(timeout, .zero), .seconds(31_536_000))).nanoseconds
  }

  private func refusal(of entry: [UInt8]) -> RoleError? {
    if phase == .made || phase == .ended { return RoleError(.failedPrecondition, "the replicated log does not run") }
    if entry.count > ReplicatedLogSettings.entryLimit {
      return RoleError(.invalidArgument, "an entry of \(entry.count) bytes; up to 1 MiB can be proposed")
    }
    if proposals.count >= settings.openLimit {
      return RoleError(
        .resourceExhausted, "\(settings.openLimit) proposals wait for their answers; propose more when some have come")
    }
    return nil
  }

  private func beginRead(
    _ timeout: Duration?, mustLead: Bool, _ done: @escaping (Result<Void, RoleError>) throws -> Void
  ) {
    if phase == .made || phase == .ended {
      return tell(done, .failure(RoleError(.failedPrecondition, "the replicated log does not run")))
    }
    if reads.count >= settings.openLimit {
      return tell(done, .failure(RoleError(.resourceExhausted, "\(settings.openLimit) reads wait for their answers")))
    }
    lastRead += 1
    reads.add(OpenReads.Open(number: lastRead, deadline: deadline(timeout), mustLead: mustLead, done: done))
    pump()
  }
}
