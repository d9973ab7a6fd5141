import MemberCore
import NodeTesting
import ProtoFields

/// What gateways know, as a test sees it; several gateways may share one.
final class FakeRegistry {
  var id: UInt64 = 77
  private(set) var revision: UInt64 = 0
  private(set) var nodes: [Int32: NodeRecord] = [:]
  private(set) var leadership = Leadership()
  var bootstrap: Int32?
  /// All events, each with its revision.
  private(set) var history: [(revision: UInt64, bytes: [UInt8])] = []
  /// Watches after an earlier revision have to begin anew.
  var knownFrom: UInt64 = 0
  var told: (([UInt8]) -> Void)?

  func put(_ node: NodeRecord) {
    revision += 1
    var node = node
    node.revision = revision
    node.status = "active"
    let kind: WatchEvent.Kind = nodes[node.id] == nil ? .joined : .updated
    nodes[node.id] = node
    tell(kind, node)
  }

  func remove(_ id: Int32, _ reason: String = "left") {
    guard let node = nodes.removeValue(forKey: id) else { return }
    revision += 1
    tell(.left, node, reason: reason)
  }

  func lead(_ leader: Int32, term: UInt64) {
    revision += 1
    leadership = Leadership(leader: leader, term: term)
    tell(.leader, nodes[leader])
  }

  /// As after a restart of an old gateway, or with another state folder.
  func forget() { (nodes, history, leadership, revision, bootstrap) = ([:], [], Leadership(), 0, nil) }

  private func tell(_ kind: WatchEvent.Kind, _ node: NodeRecord?, reason: String = "") {
    let bytes = event(kind, node, reason: reason)
    history.append((revision, bytes))
    told?(bytes)
  }

  func event(_ kind: WatchEvent.Kind, _ node: NodeRecord? = nil, reason: String = "") -> [UInt8] {
    var writer = ProtoWriter()
    writer.int32(1, kind.rawValue)
    writer.uint64(2, revision)
    if let node { writer.message(3) { node.write(to: &$0) } }
    writer.string(4, reason)
    if kind == .leader {
      writer.int32(5, leadership.leader ?? 0)
      writer.uint64(6, leadership.term)
    }
    if kind == .reset || kind == .synced { writer.fixed64(7, id) }
    return writer.bytes
  }

  /// What a watch gets at first.
  func beginning(after: UInt64, of registry: UInt64) -> [[UInt8]] {
    guard after == 0 || after < knownFrom || after > revision || (registry != 0 && registry != id) else {
      return history.filter { $0.revision > after }.map(\.bytes) + [event(.synced)]
    }
    let leader = leadership.leader.map { [event(.leader, nodes[$0])] } ?? []
    return [event(.reset)] + nodes.values.sorted { $0.id < $1.id }.map { event(.node, $0) } + leader
      + [event(.synced)]
  }
}

/// A gateway, played by a test.
final class FakeGateway {
  let target: String
  var registry: FakeRegistry
  var isUp = true
  /// Takes calls and does not answer.
  var isSilent = false
  /// Without Watch, and without the fields from 100 up.
  var isOld = false
  /// Says that it does not know a node by a status, and not by the word.
  var refusesByStatus = false
  var refusal: (error: RoleError, metadata: RpcMetadata)?
  var interval: UInt32 = 0
  var gateways: [String] = []
  private(set) var calls: [(path: String, time: Moment, message: [UInt8])] = []
  private(set) var watches: [RecordedRpc] = []
  /// Of the registrations that came.
  private(set) var sequences: [UInt64] = []

  init(_ target: String, _ registry: FakeRegistry) { (self.target, self.registry) = (target, registry) }

  func count(_ path: String) -> Int { calls.count { $0.path == path } }
  func times(_ path: String) -> [Moment] { calls.filter { $0.path == path }.map(\.time) }
  func last(_ path: String) -> NodeRecord? {
    guard let message = calls.last(where: { $0.path == path })?.message else { return nil }
    return try? NodeRecord(ProtoReader(message))
  }

  /// Its process dies.
  func kill() {
    isUp = false
    endWatches(RoleError(.unavailable, "the connection broke"))
  }

  func endWatches(_ error: RoleError? = nil) {
    let ended = watches
    watches = []
    for watch in ended { watch.end(error) }
  }

  func tell(_ bytes: [UInt8]) { for watch in watches { watch.send(bytes) } }

  func take(_ call: RecordedRpc, at time: Moment) {
    guard isUp else { return call.end(RoleError(.unavailable, "nobody is there")) }
    let message = call.messages.first ?? []
    calls.append((call.path, time, message))
    if isSilent { return }
    if let refusal, call.path != GatewayMethod.watch { return call.end(refusal.error, metadata: refusal.metadata) }
    do { try answer(call, message) } catch { call.end(RoleError(error)) }
  }

  private func answer(_ call: RecordedRpc, _ message: [UInt8]) throws {
    var writer = ProtoWriter()
    switch call.path {
    case GatewayMethod.register: try register(message, &writer)
    case GatewayMethod.heartbeat:
      let isKnown = registry.nodes[try NodeRecord(ProtoReader(message)).id] != nil
      if !isKnown, refusesByStatus { throw RoleError(.notFound, "there is no such node") }
      writer.string(1, isKnown ? "acknowledged" : "not_found")
      if !isOld {
        writer.uint64(100, registry.revision)
        writer.uint32(101, interval)
      }
    case GatewayMethod.deregister where !isOld, GatewayMethod.remove:
      registry.remove(try Self.id(in: message))
      writer.string(1, "removed")
    case GatewayMethod.nodes:
      for node in registry.nodes.values.sorted(by: { $0.id < $1.id }) { writer.message(1) { node.write(to: &$0) } }
    case GatewayMethod.leader:
      if let leader = registry.leadership.leader.flatMap({ registry.nodes[$0] }) {
        writer.message(1) { leader.write(to: &$0) }
      }
    case GatewayMethod.updateLeader: try updateLeader(message, &writer)
    case GatewayMethod.watch where !isOld: return try watch(call, message)
    default: throw RoleError(.unimplemented, "nobody serves \(call.path)")
    }
    call.answer(writer.bytes)
  }

  private static func id(in message: [UInt8]) throws -> Int32 {
    var reader = ProtoReader(message)
    while try reader.next() { if reader.field == 1 { return try reader.int32() } }
    return 0
  }

  private func register(_ message: [UInt8], _ writer: inout ProtoWriter) throws {
    var node = NodeRecord(), reader = ProtoReader(message)
    while try reader.next() {
      switch reader.field {
      case 1: node.id = try reader.int32()
      case 2: node.address = try reader.string()
      case 3: node.port = try reader.int32()
      case 4: node.capabilities.append(try reader.string())
      case 5: try reader.pair { node.labels[$0] = $1 }
      case 100: node.instance = isOld ? "" : try reader.string()
      case 102: sequences.append(try reader.uint64())
      default: break
      }
    }
    writer.string(1, registry.nodes[node.id] == nil ? "registered" : "updated")
    if registry.bootstrap == nil { registry.bootstrap = node.id }
    writer.bool(3, registry.bootstrap == node.id)
    registry.put(node)
    guard !isOld else { return }
    writer.uint64(100, registry.revision)
    writer.uint32(102, interval)
    for gateway in gateways { writer.element(104, gateway) }
  }

  private func updateLeader(_ message: [UInt8], _ writer: inout ProtoWriter) throws {
    var leader: Int32 = 0, term: UInt64 = 0, reader = ProtoReader(message)
    while try reader.next() {
      switch reader.field {
      case 1: leader = try reader.int32()
      case 100: term = try reader.uint64()
      default: break
      }
    }
    if term != 0, term < registry.leadership.term { throw RoleError(.failedPrecondition, "term \(term) is over") }
    registry.lead(leader, term: term)
    writer.string(1, "updated")
  }

  private func watch(_ call: RecordedRpc, _ message: [UInt8]) throws {
    var after: UInt64 = 0, of: UInt64 = 0, reader = ProtoReader(message)
    while try reader.next() {
      switch reader.field {
      case 1: after = try reader.uint64()
      case 4: of = try reader.fixed64()
      default: break
      }
    }
    for event in registry.beginning(after: after, of: of) { call.send(event) }
    watches.append(call)
  }
}
