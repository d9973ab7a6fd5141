import HostCore

/// A swap that is under way, of one role or of several in one step. The control loop's.
final class RoleSwap {
  final class Member {
    let role: ManagedRole
    let oldInstance: RoleInstance
    let oldLoaded: PluginLoader.Loaded
    let oldGeneration: Int
    /// The new build, from when it has been checked.
    var loaded: PluginLoader.Loaded?
    var instance: RoleInstance?
    var transfer = StateTransfer.coldStart
    var generation = 0
    var pauseNanoseconds: Int64 = 0
    var stateBytes: Int?

    init?(_ role: ManagedRole) {
      guard let instance = role.instance, let loaded = role.loaded else { return nil }
      self.role = role
      oldInstance = instance
      oldLoaded = loaded
      oldGeneration = role.generation
    }

    var name: String { role.name }
  }

  /// How it came out, for whoever asked: what was swapped, or why nothing was.
  typealias Outcome = Result<[Member], SwapFailure>

  private(set) var members: [Member]
  private(set) var unchanged: [String] = []
  var machine: SwapProtocol
  let cause: Generation.Cause
  let source: PluginLoader.Wish.Source
  let isForced: Bool
  private let done: (RoleSwap, Outcome) -> Void
  private var isAnswered = false
  /// Told when probation is over too.
  var whenEnded: [() -> Void] = []
  var probationTimer: UInt64?
  var healthTimer: UInt64?
  /// Members whose flip has not been heard of yet.
  var flipping = 0

  init(
    _ members: [Member], _ source: PluginLoader.Wish.Source, _ cause: Generation.Cause, isForced: Bool,
    _ done: @escaping (RoleSwap, Outcome) -> Void
  ) {
    self.members = members
    self.source = source
    self.cause = cause
    self.isForced = isForced
    self.done = done
    machine = SwapProtocol(members.map(\.name))
  }

  func drop(_ member: Member) {
    members.removeAll { $0 === member }
    unchanged.append(member.name)
  }

  func answer(_ outcome: Outcome) {
    guard !isAnswered else { return }
    isAnswered = true
    done(self, outcome)
  }
}

struct SwapFailure: Error {
  var reason: String
}
