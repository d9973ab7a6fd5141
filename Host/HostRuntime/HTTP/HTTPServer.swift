import CNodeABI
import HostCore
import Synchronization

/// All listeners of a node that speak HTTP. Any thread.
final class HTTPServer: Sendable {
  /// Where a role's routes go that names no listener.
  static let defaultName = "data"

  private let listeners = Mutex<[HTTPListener]>([])

  /// Opens all ports, or none.
  func open(_ plans: [Listener], loops: [EventLoop], services: NodeServices) throws(NetworkFailure) {
    var opened: [HTTPListener] = []
    for plan in plans where plan.name != Listener.peersName {
      do throws(NetworkFailure) {
        opened.append(try HTTPListener(plan, loops: loops, services: services))
      } catch {
        throw NetworkFailure("listen.\(plan.name): \(error.words)")
      }
    }
    listeners.withLock { $0 = opened }
  }

  var all: [HTTPListener] { listeners.withLock { $0 } }

  func listener(_ name: String) -> HTTPListener? {
    let name = name.isEmpty ? Self.defaultName : name
    return all.first { $0.name == name }
  }

  func start() { for listener in all { listener.start() } }

  /// All roles have had their chance to ask for routes.
  func becomeReady() { for listener in all { listener.isReady.store(true, ordering: .relaxed) } }

  /// A role is back, or will not come back: no place is kept for it any more.
  func forget(_ role: String) { for listener in all { listener.forget(role) } }

  /// Takes no new connections; what is under way goes on.
  func drain() { for listener in all { listener.close {} } }

  /// The process is gone.
  func vanish() { for listener in all { listener.vanish() } }

  func cutShort() { for listener in all { listener.cutShort() } }

  /// What was noted about requests is on its way to the disk. After this, nothing more is noted.
  func endLogs() { for listener in all { listener.accessLog?.end() } }

  /// Opens access logs again, as somebody may have moved them away. Returns what could not be opened; there the old
  /// ones stay.
  func reopenLogs() -> [String] { all.compactMap { $0.accessLog?.reopen() } }

  /// Reads certificates and keys again. Returns what could not be used; there the old ones stay.
  func reloadTLS() -> [String] { all.compactMap { $0.reloadTLS() } }
}
