import NodeTesting
import ReplicatedLog
import Testing

/// Ledgers on several nodes of one network.
final class Cluster {
  let network: FakeNetwork
  private(set) var hosts: [Int: FakeHost] = [:]
  private let config: JSON
  private var stores: [Int: FakeStore] = [:]

  init(_ count: Int, snapshotEntries: Int = 10_000, seed: UInt64 = 1) throws {
    network = FakeNetwork(seed: seed)
    config = ["members": .array((1...count).map { JSON($0) }), "snapshot_entries": JSON(snapshotEntries)]
    for node in 1...count { try restart(node) }
  }

  /// Starts a node that is down, with the disk that it had.
  func restart(_ node: Int) throws {
    let host = try FakeHost(Ledger.self, config: config, node: "node-\(node)", id: node, seed: UInt64(node) * 7)
    host.store = stores[node] ?? FakeStore()
    host.store.takes = .milliseconds(1)
    stores[node] = host.store
    try host.start()
    try network.join(host)
    hosts[node] = host
  }

  func crash(_ node: Int) { if let host = hosts.removeValue(forKey: node) { network.crash(host) } }

  func swap(_ node: Int) throws {
    guard let old = hosts[node] else { return }
    let new = try old.swap(to: Ledger.self, config: config)
    network.replace(old, by: new)
    hosts[node] = new
  }

  var misuse: [String] { hosts.values.flatMap(\.misuse) }

  func role(_ node: Int) throws -> Ledger { try #require(hosts[node]?.role(as: Ledger.self)) }

  /// The node that leads, once one does.
  func leader(within limit: Duration = .seconds(3)) throws -> Int {
    var left = limit
    while left > .zero {
      for (node, host) in hosts where host.role(as: Ledger.self)?.log.isLeader == true { return node }
      network.advance(by: .milliseconds(10))
      left -= .milliseconds(10)
    }
    throw RoleError(.deadlineExceeded, "nobody leads")
  }

  func begin<each Argument: MethodValue>(_ node: Int, _ method: String, _ arguments: repeat each Argument) throws
    -> PendingCall
  { try #require(hosts[node]).begin(method, repeat each arguments) }

  func end(_ call: PendingCall, within limit: Duration = .seconds(5)) throws -> Int {
    var left = limit
    while call.result == nil, left > .zero {
      network.advance(by: .milliseconds(1))
      left -= .milliseconds(1)
    }
    return try call.answer()
  }

  func call<each Argument: MethodValue>(_ node: Int, _ method: String, _ arguments: repeat each Argument) throws -> Int
  {
    try end(begin(node, method, repeat each arguments))
  }
}
