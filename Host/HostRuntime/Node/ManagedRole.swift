import HostCore

/// One role of the node, whatever its state: its plan, its lifecycle, and its instance if it has one.
/// The control loop's.
final class ManagedRole {
  var plan: ManifestRole
  var lifecycle: RoleLifecycle
  var loaded: PluginLoader.Loaded?
  var instance: RoleInstance?
  /// Counts the builds and starts that this name has had, also in earlier runs of the node.
  var generation = 0
  var history = RoleHistory()
  /// What an earlier start or run left for the next.
  var savedState: SavedState?
  /// A swap that it takes part in, until its probation is over.
  var swap: RoleSwap?
  var runningSince: Int64 = 0
  var retryTimer: UInt64?
  /// Runs while start, drain or stop does, which have a limit.
  var stepTimer: UInt64?
  /// Why the role is stuck: a step has passed its limit and not returned, and plugin code cannot be interrupted.
  var overdue: String?
  /// Gone from the manifest: the entry goes when the role has ended.
  var isLeaving = false
  /// Told once, when the role is running, has failed, or has come to rest.
  var whenDecided: [(ManagedRole) -> Void] = []

  init(_ plan: ManifestRole) {
    self.plan = plan
    lifecycle = RoleLifecycle(policy: plan.restart)
  }

  var name: String { plan.name }
  var state: RoleLifecycle.State { lifecycle.state }

  /// What went wrong, for those who wait for the role.
  var trouble: String? { state.failureReason ?? overdue }
  /// Whether waiting any longer is of no use.
  var isSettled: Bool { state.isSettled || overdue != nil }
  /// Whether the present attempt has succeeded or failed; after a failure there may be another.
  var isDecided: Bool { isSettled || state.failureReason != nil }

  /// Ids that other roles must provide before this one starts.
  var neededIDs: [String] {
    loaded?.library.description.neededIDs ?? []
  }

  func provides(_ id: String) -> Bool { loaded?.library.description.provides.contains(id) ?? false }
}
