import Glibc
import HostCore
import Synchronization

/// The stores of a node, by the role's name, each opened when it is first asked for. They outlive builds and restarts
/// of their roles, and end with the node.
package final class Stores: RoleStores {
  private struct Open {
    var store: Store
    var thread: OwnThread
  }
  /// Nil for a host without a folder, such as one that only tries a plugin.
  private let folder: String?
  private let node: String
  private let log: LogHub
  private let metrics: MetricRegistry
  private struct State {
    var open: [String: Open] = [:]
    /// Those of roles that have left, as long as they are not closed: who comes next waits, since two would write over
    /// one another.
    var closing: [String: Store] = [:]
  }
  private let state = Mutex(State())

  init(folder: String?, node: String, log: LogHub, metrics: MetricRegistry) {
    self.folder = folder
    self.node = node
    self.log = log
    self.metrics = metrics
  }

  /// The store of a role; its file is made when it is first used.
  package func store(of role: String) -> (any RoleStore)? {
    guard let folder else { return nil }
    return state.withLock { state in
      if let found = state.open[role] { return found.store }
      let store = Store(
        role: role, folder: Self.folder(of: role, below: folder), log: log,
        batches: series("nodehost_store_batches_total", "Transactions of the role's store, each synced once.", role),
        commits: series("nodehost_store_commits_total", "Commits of the role's store.", role),
        after: state.closing[role])
      state.open[role] = Open(store: store, thread: store.loop.startThread())
      return store
    }
  }

  private static func folder(of role: String, below state: String) -> String { "\(state)/roles/\(role)" }

  /// The same, only if there is a file: whoever looks at a store must not make one.
  package func present(of role: String) -> (any RoleStore)? { roles.contains(role) ? store(of: role) : nil }

  /// The names that have stores, also those of roles that the node has no more.
  package var roles: [String] {
    guard let folder else { return [] }
    return filesIn("\(folder)/roles").filter { role in
      access(Store.path(in: Self.folder(of: role, below: folder)), F_OK) == 0
    }.sorted()
  }

  /// A role has left the node.
  package func close(_ role: String) {
    let left = state.withLock { state in
      let left = state.open.removeValue(forKey: role)
      if let left { state.closing[role] = left.store }
      return left
    }
    guard let left else { return }
    left.store.close()
    left.thread.join()
    state.withLock { if $0.closing[role] === left.store { $0.closing[role] = nil } }
  }

  /// Returns when everything that was sent is on disk and the files are closed.
  package func end() {
    let all = state.withLock { state in
      defer { state.open = [:] }
      return state.open.values.map { $0 }
    }
    for found in all { found.store.close() }
    for found in all { found.thread.join() }
  }

  private func series(_ name: String, _ help: String, _ role: String) -> MetricSeries? {
    metrics.series(.counter, name, help: help, labels: [("node", node), ("role", role)], bounds: [])
  }
}
