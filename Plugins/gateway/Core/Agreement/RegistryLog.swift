import NodeKit
import ReplicatedLog

/// The order of entries on which the gateways agree, and the registry that they make.
final class RegistryLog {
  private let context: RoleContext
  private let registry: Registry
  private let state: RegistryState
  private let log: ReplicatedLog
  /// Told when another gateway leads.
  var whenStandingChanges: () throws -> Void = {}
  var whenMessage: (Message) throws -> Void = { _ in }

  init(_ context: RoleContext, _ settings: GatewaySettings, _ registry: Registry) throws {
    (self.context, self.registry, state) = (context, registry, RegistryState(registry))
    var own = ReplicatedLogSettings()
    own.openLimit = 65_536  // `pending_limit` says it in this role's words.
    (own.snapshotEntries, own.snapshotBytes) = (20_000, 16 << 20)
    log = try ReplicatedLog(
      context, members: settings.members(node: context.nodeID), settings: own, state: state)
  }

  /// This gateway says what comes next.
  var isLeading: Bool { log.isLeader }
  /// The node of the gateway that leads, if one is known.
  var leader: Int? { isSuspended ? leaderBefore : log.leader }
  private var leaderBefore: Int?
  /// The registry may be older than what another build has done since.
  private(set) var isSuspended = false
  private var isWaking = false

  /// Brings back what was agreed on before. With one gateway the registry is whole when `ready` runs; with several it
  /// is as far as this one had it.
  func start(then ready: @escaping (Result<Void, RoleError>) throws -> Void) throws {
    log.whenStandingChanges = { [unowned self] _ in
      wakeUp()
      try whenStandingChanges()
    }
    log.whenMessage = { [unowned self] in try whenMessage($0) }
    try log.start(then: ready)
  }

  /// Adds an entry. `done` comes when it is on the disks of a majority of the gateways, and done on this one: just then
  /// ``outcome`` is what came of it. Unavailable: it may have happened or not, or there is no majority.
  func propose(_ entry: [UInt8], then done: @escaping (Result<[UInt8], RoleError>) -> Void) {
    log.propose(entry, then: done)
  }

  /// Of the entry that was done last.
  var outcome: Outcome { state.outcome }

  /// Runs `done` when this gateway has everything that any gateway had answered before.
  func catchUp(then done: @escaping (Result<Void, RoleError>) -> Void) { log.read { done($0) } }

  /// Lets another gateway lead, since this one is about to stop.
  func handOver() { log.transferLeadership() }

  /// If the swap is undone, reads again what the other build may have done meanwhile.
  func wakeUp() {
    guard isSuspended, !isWaking else { return }
    isWaking = true
    catchUp { [unowned self] result in
      isWaking = false
      if case .success = result { isSuspended = false }
    }
  }

  /// Another build goes on with what is on disk.
  func suspend() {
    leaderBefore = leader
    isSuspended = true
    log.suspend()
  }

  /// Why nothing can be agreed on now; nil if it can.
  var trouble: String? {
    guard leader == nil else { return nil }
    let others = log.members.filter { $0 != context.nodeID }
    let down = others.filter { (try? context.peers.isUp($0)) != true }
    if down.isEmpty { return "the gateways have not agreed on which of them leads" }
    return "this gateway sees no majority: those on the nodes \(down.map { "\($0)" }.joined(separator: ", ")) are down"
  }
}

/// The registry as the log knows it: bytes.
private final class RegistryState: ReplicatedState {
  private let registry: Registry
  /// Whoever has proposed the entry hears of it before the next is done, so it need not be put into bytes.
  private(set) var outcome = Outcome(.done)

  init(_ registry: Registry) { self.registry = registry }

  func apply(_ entry: [UInt8], at index: UInt64) -> [UInt8] {
    // One of a newer build is passed over by all that do not know it: update all gateways before using what is new.
    outcome = (try? Entry(entry)).map { registry.apply($0, at: index) } ?? Outcome(.notFound)
    return []
  }

  func snapshot() -> [UInt8] { registry.snapshot() }
  func restore(_ snapshot: [UInt8], at index: UInt64) throws { try registry.restore(snapshot, at: index) }
}
