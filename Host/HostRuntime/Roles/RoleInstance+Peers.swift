import CNodeABI
import HostCore
import NodeValues

/// The peers service, as one role sees it.
extension RoleInstance {
  func sendMessage(
    _ node: UInt32, _ role: nh_str, _ channel: UInt32, _ priority: UInt32, _ payload: nh_bytes
  ) -> nh_status {
    guard permits([.starting, .running], "peers.send") else { return NH_FAILED_PRECONDITION }
    guard let lane = UInt8(exactly: priority).flatMap(PeerFrame.Lane.init),
      payload.len <= UInt64(PeerFrame.payloadLimit), payload.len == 0 || payload.ptr != nil
    else { return NH_INVALID_ARGUMENT }
    let bytes = UnsafeRawBufferPointer(start: payload.ptr, count: Int(payload.len))
    let target = role.len == 0 ? ownName : UnsafeRawBufferPointer(start: role.ptr, count: Int(clamping: role.len))
    return send(to: node, target, ownName, channel, lane, bytes)
  }

  private func send(
    to node: UInt32, _ target: UnsafeRawBufferPointer, _ own: UnsafeRawBufferPointer, _ channel: UInt32,
    _ lane: PeerFrame.Lane, _ payload: UnsafeRawBufferPointer
  ) -> nh_status {
    guard let length = PeerMessage.writeHead(channel: channel, from: own, to: target, into: sender.head) else {
      return NH_INVALID_ARGUMENT
    }
    let head = UnsafeRawBufferPointer(rebasing: sender.head[..<length])
    if node == nodeID { return sendHere(PeerMessage(channel, from: own, to: target, payload)) }
    switch sender.send(to: node, lane, head: head, payload: payload) {
    case .queued: return NH_OK
    case .down: return NH_UNAVAILABLE
    case .full: return NH_RESOURCE_EXHAUSTED
    case nil: return NH_NOT_FOUND
    }
  }

  /// To a role of this node: there is no link, and nothing else is different.
  private func sendHere(_ message: PeerMessage) -> nh_status {
    guard let inbox = node.peers.inbox(String(decoding: message.to, as: UTF8.self)) else { return NH_OK }
    guard !inbox.isFull else { return NH_RESOURCE_EXHAUSTED }
    _ = inbox.put(.message, node: node.nodeID, message)
    return NH_OK
  }

  func isPeerUp(_ id: UInt32) -> UInt32 {
    guard permits([.starting, .running], "peers.is_up") else { return 0 }
    return id == node.nodeID || node.peers.line(id)?.isUp == true ? 1 : 0
  }

  func listPeers(_ sink: UnsafePointer<nh_sink>) -> nh_status {
    guard permits([.starting, .running], "peers.nodes") else { return NH_FAILED_PRECONDITION }
    func entry(_ id: UInt32, _ name: String, _ address: String, isUp: Bool, since: Int64) -> JSON {
      [
        "id": JSON(id), "name": .string(name), "address": .string(address), "self": .bool(id == node.nodeID),
        "up": .bool(isUp), "since_ms": .int(since / 1_000_000),
      ]
    }
    var nodes = node.peers.lines.map { line -> (id: UInt32, JSON) in
      let info = line.info
      return (line.id, entry(line.id, info.name, "\(info.address)", isUp: line.isUp, since: info.since))
    }
    let own = entry(node.nodeID, node.nodeName, node.address, isUp: true, since: node.startedWall)
    let ports = node.http.all.map { ($0.name, JSON($0.address.port)) }
    let named = node.peers.named.filter { $0.id != node.nodeID }.map { ("\($0.id)", JSON.string("\($0.address)")) }
    let more = [("ports", JSON.object(JSONObject(ports))), ("named", .object(JSONObject(named)))]
    let members = (own.object?.members ?? []).map { ($0.key, $0.value) } + more
    nodes.append((node.nodeID, .object(JSONObject(members))))
    let text = Array(JSON.array(nodes.sorted { $0.id < $1.id }.map(\.1)).description.utf8)
    return text.withUnsafeBufferPointer {
      sink.pointee.write(sink.pointee.ctx, nh_bytes(ptr: $0.baseAddress, len: UInt64($0.count)))
    }
  }
}
