import NodeKit
import ProtoFields

/// The messages that clients get, written from the registry as this gateway has it now.
struct Answers {
  let registry: Registry
  /// See ``terms(_:node:)``.
  let terms: [UInt8]
  let liveness: (Node) -> (status: String, seen: Double)

  /// It ends at 2^31, for clients that know no other.
  private var version: Int32 { Int32(truncatingIfNeeded: registry.revision & 0x7FFF_FFFF) }

  private func write(_ node: Node, _ field: Int, to writer: inout ProtoWriter) {
    let (status, seen) = liveness(node)
    node.write(to: &writer, field: field, status: status, seen: seen)
  }

  private func write(nodes field: Int, except: Int32?, _ filter: NodeFilter, to writer: inout ProtoWriter) {
    for node in registry.inOrder where node.id != except && filter.takes(node.info) {
      write(node, field, to: &writer)
    }
  }

  struct RegistrationDetails {
    var status: String
    var isBootstrap: Bool
    var withoutNodes: Bool
  }

  /// What each node is told alike, as the fields of a RegisterNodeResponse.
  static func terms(_ settings: GatewaySettings, node: Int) -> [UInt8] {
    var writer = ProtoWriter()
    writer.uint32(102, settings.heartbeatMilliseconds)
    writer.uint32(103, settings.timeoutMilliseconds)
    for address in settings.addresses(node: node) { writer.element(104, address) }
    return writer.bytes
  }

  func registered(_ id: Int32, _ details: RegistrationDetails) -> [UInt8] {
    var writer = ProtoWriter(reserving: 256 + (details.withoutNodes ? 0 : registry.nodes.count * 160))
    writer.string(1, details.status)
    writer.int32(2, id)
    writer.bool(3, details.isBootstrap)
    writer.int32(4, version)
    if !details.withoutNodes { write(nodes: 5, except: id, NodeFilter(), to: &writer) }
    writeLeader(6, to: &writer)
    writer.message(7) { write(id, details, to: &$0) }
    writer.uint64(100, registry.revision)
    writer.uint64(101, registry.term)
    writer.append(terms)
    writer.bool(105, registry.leaderNode != nil)
    writer.fixed64(106, registry.seed)
    return writer.bytes
  }

  /// Piece by piece: most clients read it never, and one text of them all would cost as much as the rest of the answer.
  private func write(_ id: Int32, _ details: RegistrationDetails, to text: inout ProtoWriter) {
    if !details.isBootstrap, let first = registry.bootstrap, registry.nodes[first.id] == nil {
      return text.append(
        "node \(first.id) at \(first.place) was told to bootstrap the cluster and has gone; if it never did, "
          + "`hostctl call gateway reset_bootstrap` lets the next one")
    }
    text.append("node ")
    text.append("\(id)")
    if details.isBootstrap { return text.append(" is the first: it bootstraps the cluster") }
    text.append(" joins a cluster of ")
    text.append("\(registry.nodes.count)")
  }

  private func writeLeader(_ field: Int, to writer: inout ProtoWriter) {
    if let node = registry.leaderNode { write(node, field, to: &writer) }
  }

  func nodes(_ request: NodesRequest) -> [UInt8] {
    var writer = ProtoWriter(reserving: 64 + registry.nodes.count * (request.filter.isEmpty ? 160 : 40))
    write(nodes: 1, except: request.except == 0 ? nil : request.except, request.filter, to: &writer)
    writer.int32(2, version)
    writer.uint64(100, registry.revision)
    return writer.bytes
  }

  func leader() -> [UInt8] {
    var writer = ProtoWriter()
    writeLeader(1, to: &writer)
    writer.int32(2, version)
    writer.string(3, registry.leaderNode == nil ? "no leader is known" : "node \(registry.leader?.id ?? 0) leads")
    writer.uint64(100, registry.revision)
    writer.uint64(101, registry.term)
    writer.bool(102, registry.leaderNode != nil)
    return writer.bytes
  }

  func leaderUpdate(_ status: String, _ message: String) -> [UInt8] {
    var writer = ProtoWriter()
    writer.string(1, status)
    writer.int32(2, registry.leader?.id ?? 0)
    writer.string(3, message)
    writer.uint64(100, registry.term)
    writer.uint64(101, registry.revision)
    return writer.bytes
  }

  func heartbeat(_ status: String, _ intervalMilliseconds: UInt32) -> [UInt8] {
    var writer = ProtoWriter(reserving: 40)
    writer.string(1, status)
    writer.int32(2, version)
    writer.uint64(100, registry.revision)
    writer.uint32(101, intervalMilliseconds)
    return writer.bytes
  }

  func health(_ status: String, _ time: Double, _ release: String) -> [UInt8] {
    var writer = ProtoWriter()
    writer.string(1, status)
    writer.double(2, time)
    writer.string(3, release)
    return writer.bytes
  }

  func removal(_ status: String, _ id: Int32, _ message: String) -> [UInt8] {
    var writer = ProtoWriter()
    writer.string(1, status)
    writer.int32(2, id)
    writer.string(3, message)
    return writer.bytes
  }

  func deregistration(_ status: String, _ id: Int32) -> [UInt8] {
    var writer = ProtoWriter()
    writer.string(1, status)
    writer.int32(2, id)
    writer.uint64(3, registry.revision)
    return writer.bytes
  }

  func stats(_ counts: Counts) -> [UInt8] {
    var writer = ProtoWriter()
    writer.int32(1, Int32(clamping: registry.nodes.count))
    writer.int32(2, Int32(clamping: counts.active))
    writer.int32(3, registry.leaderNode?.id ?? 0)
    writer.int32(4, version)
    writer.bool(5, registry.bootstrap != nil)
    writer.double(6, counts.uptime)
    writer.uint64(100, registry.revision)
    writer.uint64(101, registry.term)
    writer.uint32(102, UInt32(clamping: counts.watchers))
    writer.uint64(103, counts.registrations)
    writer.uint64(104, counts.heartbeats)
    writer.uint64(105, counts.expirations)
    writer.int32(106, registry.bootstrap?.id ?? 0)
    return writer.bytes
  }

  // MARK: Watch

  func reset(_ revision: UInt64) -> [UInt8] {
    var writer = ProtoWriter()
    writer.uint64(2, revision)
    writer.fixed64(7, registry.seed)
    return writer.bytes
  }

  /// A node that is there, at the moment of that revision.
  func present(_ node: Node, at revision: UInt64) -> [UInt8] {
    var writer = ProtoWriter(reserving: 64 + node.info.count)
    writer.int32(1, 1)
    writer.uint64(2, revision)
    write(node, 3, to: &writer)
    return writer.bytes
  }

  func synced(_ revision: UInt64) -> [UInt8] {
    var writer = ProtoWriter()
    writer.int32(1, 2)
    writer.uint64(2, revision)
    writer.fixed64(7, registry.seed)
    return writer.bytes
  }
}

/// What this gateway has counted since it started.
struct Counts {
  var active = 0
  var uptime = 0.0
  var watchers = 0
  var registrations: UInt64 = 0
  var heartbeats: UInt64 = 0
  var expirations: UInt64 = 0
  var conflicts: UInt64 = 0
  var refusals: UInt64 = 0
}
