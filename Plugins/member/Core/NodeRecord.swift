package import NodeKit
package import ProtoFields

/// A node as a gateway tells of it: `NodeInfo` in gateway.proto.
package struct NodeRecord: Sendable, Equatable {
  package var id: Int32 = 0
  package var address = ""
  package var port: Int32 = 0
  package var capabilities: [String] = []
  /// "active", or "silent" if heartbeats are missing and its timeout is not over.
  package var status = ""
  /// Seconds since 1970.
  package var lastSeen = 0.0
  package var joined = 0.0
  package var labels: [String: String] = [:]
  /// Differs each time that the node is started; empty from older gateways.
  package var instance = ""
  /// Of its last change; 0 from older gateways.
  package var revision: UInt64 = 0

  package init() {}

  package init(_ reader: ProtoReader) throws {
    var reader = reader
    while try reader.next() {
      switch reader.field {
      case 1: id = try reader.int32()
      case 2: address = try reader.string()
      case 3: port = try reader.int32()
      case 4: capabilities.append(try reader.string())
      case 5: status = try reader.string()
      case 6: lastSeen = try reader.double()
      case 7: joined = try reader.double()
      case 8: try reader.pair { labels[$0] = $1 }
      case 100: instance = try reader.string()
      case 101: revision = try reader.uint64()
      default: break
      }
    }
  }

  package func write(to writer: inout ProtoWriter) {
    writer.int32(1, id)
    writer.string(2, address)
    writer.int32(3, port)
    for capability in capabilities { writer.element(4, capability) }
    writer.string(5, status)
    writer.double(6, lastSeen)
    writer.double(7, joined)
    for (name, value) in labels.sorted(by: { $0.key < $1.key }) { writer.pair(8, name, value) }
    writer.string(100, instance)
    writer.uint64(101, revision)
  }

  /// Whether who works with the node has to know: not what changes with each heartbeat.
  package func differs(from other: NodeRecord) -> Bool {
    address != other.address || port != other.port || capabilities != other.capabilities || labels != other.labels
      || instance != other.instance || status != other.status
  }

  package var place: String { address.utf8.contains(UInt8(ascii: ":")) ? "[\(address)]:\(port)" : "\(address):\(port)" }

  package var json: JSON {
    let labels = labels.sorted { $0.key < $1.key }.map { ($0.key, JSON.string($0.value)) }
    return [
      "id": JSON(id), "address": .string(address), "port": JSON(port),
      "capabilities": .array(capabilities.map { .string($0) }), "labels": .object(JSONObject(labels)),
      "status": .string(status), "instance": .string(instance), "joined": .double(joined), "revision": JSON(revision),
    ]
  }
}

/// Who leads, and of which term; term 0: none was told.
package struct Leadership: Sendable, Equatable {
  package var leader: Int32?
  package var term: UInt64 = 0

  package init(leader: Int32? = nil, term: UInt64 = 0) { (self.leader, self.term) = (leader, term) }

  package var json: JSON { ["leader": leader.map { JSON($0) } ?? .null, "term": JSON(term)] }
}
