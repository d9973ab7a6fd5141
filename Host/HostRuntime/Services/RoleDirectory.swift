import HostCore
import Synchronization

/// Which role instance stands behind a name, for calls from anywhere. A restart or swap puts another
/// instance behind the same name.
final class RoleDirectory: Sendable {
  private struct State {
    var byName: [String: RoleInstance] = [:]
    /// All names of the manifest, running or not, to tell "not running" from "no such role".
    var known: Set<String> = []
  }
  private let state = Mutex(State())

  func setKnown(_ names: Set<String>) { state.withLock { $0.known = names } }
  func put(_ role: RoleInstance) { state.withLock { $0.byName[role.name] = role } }

  func remove(_ role: RoleInstance) {
    state.withLock { if $0.byName[role.name] === role { $0.byName[role.name] = nil } }
  }

  /// A running role by its name, else the first by name that provides `target` as an id.
  func find(_ target: String) -> RoleInstance? {
    state.withLock { state in
      state.byName[target]
        ?? state.byName.values.filter { $0.description.provides.contains(target) }.min { $0.name < $1.name }
    }
  }

  func isKnown(_ name: String) -> Bool { state.withLock { $0.known.contains(name) } }
  var names: [String] { state.withLock { $0.known.sorted() } }
  var all: [RoleInstance] { state.withLock { $0.byName.values.sorted { $0.name < $1.name } } }
}
