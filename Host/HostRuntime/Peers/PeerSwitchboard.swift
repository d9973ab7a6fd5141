import HostCore
import NodeValues
import Synchronization

/// Where roles and links meet: which roles listen, which nodes there are, and which calls to other nodes are open. Any
/// thread.
final class PeerSwitchboard: Sendable {
  private struct State {
    var inboxes: [String: PeerInbox] = [:]
    var lines: [UInt32: PeerLine] = [:]
    /// Nodes of the manifest that there are no links to.
    var named: [ClusterSettings.Peer] = []
    var calls: [UInt64: RemoteCall] = [:]
    var lastCall: UInt64 = 0
  }
  private let state = Mutex(State())

  // MARK: Roles

  func add(_ inbox: PeerInbox, _ name: String) { state.withLock { $0.inboxes[name] = inbox } }

  func remove(_ inbox: PeerInbox, _ name: String) {
    state.withLock { if $0.inboxes[name] === inbox { $0.inboxes[name] = nil } }
  }

  func inbox(_ name: String) -> PeerInbox? { state.withLock { $0.inboxes[name] } }

  func tellAll(_ kind: PeerInbox.Kind, node: UInt32) {
    for inbox in state.withLock({ Array($0.inboxes.values) }) { inbox.put(kind, node: node) }
  }

  // MARK: Nodes

  func add(_ line: PeerLine) { state.withLock { $0.lines[line.id] = line } }
  func remove(_ line: PeerLine) { state.withLock { $0.lines[line.id] = nil } }
  func line(_ id: UInt32) -> PeerLine? { state.withLock { $0.lines[id] } }
  var lines: [PeerLine] { state.withLock { $0.lines.values.sorted { $0.id < $1.id } } }

  /// The manifest says where these are, and without a key there are no links.
  func name(_ peers: [ClusterSettings.Peer]) { state.withLock { $0.named = peers } }
  var named: [ClusterSettings.Peer] { state.withLock { $0.named } }

  // MARK: Open calls

  func open(_ call: RemoteCall) -> UInt64 {
    state.withLock {
      $0.lastCall += 1
      $0.calls[$0.lastCall] = call
      return $0.lastCall
    }
  }

  func close(_ call: UInt64) -> RemoteCall? { state.withLock { $0.calls.removeValue(forKey: call) } }

  /// All calls to a node whose link has gone.
  func closeAll(to line: PeerLine) -> [RemoteCall] {
    state.withLock { state in
      let gone = state.calls.filter { $0.value.line === line }
      for id in gone.keys { state.calls[id] = nil }
      return Array(gone.values)
    }
  }
}
