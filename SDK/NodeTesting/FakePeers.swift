internal import CNodeABI

/// A message that the role sent.
public struct SentMessage: Sendable, Equatable {
  public var node: Int
  public var role: String
  public var channel: Int
  public var priority: Peers.Priority
  public var bytes: [UInt8]

  public init(node: Int, role: String, channel: Int = 0, priority: Peers.Priority = .normal, bytes: [UInt8]) {
    (self.node, self.role, self.channel, self.priority, self.bytes) = (node, role, channel, priority, bytes)
  }

  public var text: String { String(decoding: bytes, as: UTF8.self) }
}

/// The other nodes, as a test makes them up. ``FakeNetwork`` joins several hosts instead.
extension FakeHost {
  private static let payloadLimit = 16 << 20

  /// Lets a link come up; the role hears of it.
  public func linkUp(_ node: Int, name: String? = nil) {
    peers[node] = name ?? peers[node] ?? "node-\(node)"
    guard upPeers.insert(node).inserted else { return }
    tellLink(node, NH_EVENT_LINK_UP)
    clock.settle()
  }

  /// Lets it go down. The node stays one of the cluster.
  public func linkDown(_ node: Int) {
    guard upPeers.remove(node) != nil else { return }
    tellLink(node, NH_EVENT_LINK_DOWN)
    clock.settle()
  }

  /// Hands the role a message, as if another node's role had sent it.
  public func receive(_ payload: some Payload, from node: Int, role: String? = nil, channel: Int = 0) {
    deliver(Message(node: node, role: role ?? roleName, channel: channel, bytes: payload.payload))
    clock.settle()
  }

  func deliver(_ message: Message, after delay: Duration = .zero) {
    _ = clock.schedule(after: delay) { [unowned self] in hand(message) }
  }

  func tellLink(_ node: Int, _ kind: UInt32) {
    guard phase == .running || phase == .draining, offersPeers else { return }
    _ = clock.schedule(after: .zero) { [unowned self] in
      var event = nh_event()
      event.struct_size = UInt32(MemoryLayout<nh_event>.size)
      event.revision = 1
      event.kind = kind
      event.number = UInt32(node)
      library.table.on_event?(role, &event)
    }
  }

  private var offersPeers: Bool { library.needs.contains { $0.id == NH_PEERS_ID } }

  private func hand(_ message: Message) {
    // What no role expects is dropped, as in a node.
    guard phase == .running || phase == .draining, let function = library.table.on_message else { return }
    message.role.lend { name in
      message.bytes.lend { payload in
        var borrowed = nh_message(
          struct_size: UInt32(MemoryLayout<nh_message>.size), revision: 1, from_node: UInt32(message.node),
          channel: UInt32(message.channel), from_role: name, payload: payload)
        function(role, &borrowed)
      }
    }
  }

  // MARK: The service

  func sendMessage(
    _ node: UInt32, _ role: String, _ channel: UInt32, _ priority: UInt32, _ payload: nh_bytes
  ) -> nh_status {
    guard permits("nh_peers_service.send") else { return NH_UNAVAILABLE }
    guard priority <= NH_PEER_BULK, payload.len <= UInt64(Self.payloadLimit) else { return NH_INVALID_ARGUMENT }
    let target = role.isEmpty ? roleName : role
    let message = SentMessage(
      node: Int(node), role: target, channel: Int(channel), priority: Peers.Priority.allCases[Int(priority)],
      bytes: [UInt8](payload))
    if Int(node) == nodeID {
      if target == roleName {
        deliver(Message(node: nodeID, role: roleName, channel: message.channel, bytes: message.bytes))
      }
    } else {
      guard peers[Int(node)] != nil else { return NH_NOT_FOUND }
      guard upPeers.contains(Int(node)) else { return NH_UNAVAILABLE }
    }
    sent.append(message)
    whenSent?(self, message)
    return NH_OK
  }

  func listNodes(_ sink: UnsafePointer<nh_sink>) -> nh_status {
    guard permits("nh_peers_service.nodes") else { return NH_UNAVAILABLE }
    var all = peers
    all[nodeID] = nodeName
    let ports = JSON.object(JSONObject(listeners.sorted().enumerated().map { ($1, JSON(8_000 + $0)) }))
    let named = JSON.object(JSONObject(namedPeers.sorted { $0.key < $1.key }.map { ("\($0)", .string($1)) }))
    let list = all.sorted { $0.key < $1.key }.map { id, name -> JSON in
      [
        "id": JSON(id), "name": .string(name), "address": .string("\(name):60000"), "self": .bool(id == nodeID),
        "up": .bool(id == nodeID || upPeers.contains(id)), "since_ms": 0, "ports": id == nodeID ? ports : [:],
        "named": id == nodeID ? named : [:],
      ]
    }
    return sink.write(JSON.array(list).payload)
  }

  func isPeerUp(_ node: UInt32) -> UInt32 {
    guard allows("nh_peers_service.is_up") else { return 0 }
    return Int(node) == nodeID || upPeers.contains(Int(node)) ? 1 : 0
  }
}
