import NodeKit

/// A stream of Watch: first what is there, if it begins anew, then every change, each once and in order.
final class Watcher {
  let call: RpcServerCall
  let filter: NodeFilter
  /// The revision of the next change to send.
  var next: UInt64
  /// What is there, on its way.
  var present: Presence?
  /// The end of what it has missed was told.
  var isSynced = false
  /// It does not read; `whenWritable` goes on.
  var isBlocked = false
  /// Where it stands in the list of all.
  var place = 0

  /// The nodes of one moment.
  struct Presence {
    var nodes: [Node]
    var leader: Change?
    var revision: UInt64
    /// -1 before the RESET.
    var sent = -1
  }

  init(_ call: RpcServerCall, _ filter: NodeFilter, next: UInt64) {
    (self.call, self.filter, self.next) = (call, filter, next)
  }

  /// What of a change it wants to hear; nil if nothing.
  func words(of change: Change) -> [UInt8]? {
    guard !filter.isEmpty, change.kind != .leader else { return change.bytes }
    if let node = change.node, filter.takes(node.info) { return change.bytes }
    // One that was wanted is not any more.
    guard change.kind == .updated, let previous = change.previous, filter.takes(previous.info) else { return nil }
    return Change(
      .left, revision: change.revision, id: change.id, node: previous, reason: "changed", time: previous.joined
    ).bytes
  }
}
