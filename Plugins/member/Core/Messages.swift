import NodeKit
import ProtoFields

// The messages of gateway.proto, as far as a member needs them. What an older gateway leaves out has its default.

package enum GatewayMethod {
  package static let register = "/GatewayService/RegisterNode"
  package static let heartbeat = "/GatewayService/Heartbeat"
  package static let deregister = "/GatewayService/Deregister"
  package static let remove = "/GatewayService/RemoveNode"
  package static let nodes = "/GatewayService/GetNodes"
  package static let leader = "/GatewayService/GetLeader"
  package static let updateLeader = "/GatewayService/UpdateLeader"
  package static let watch = "/GatewayService/Watch"
}

// MARK: Requests

enum GatewayRequest {
  static func register(_ node: NodeRecord, sequence: UInt64) -> [UInt8] {
    var writer = ProtoWriter()
    writer.int32(1, node.id)
    writer.string(2, node.address)
    writer.int32(3, node.port)
    for capability in node.capabilities { writer.element(4, capability) }
    for (name, value) in node.labels.sorted(by: { $0.key < $1.key }) { writer.pair(5, name, value) }
    writer.string(100, node.instance)
    // The watch tells them.
    writer.bool(101, true)
    writer.uint64(102, sequence)
    return writer.bytes
  }

  static func heartbeat(_ id: Int32, _ instance: String) -> [UInt8] {
    var writer = ProtoWriter()
    writer.int32(1, id)
    writer.string(100, instance)
    return writer.bytes
  }

  static func deregister(_ id: Int32, _ instance: String, sequence: UInt64) -> [UInt8] {
    var writer = ProtoWriter()
    writer.int32(1, id)
    writer.string(2, instance)
    writer.uint64(4, sequence)
    return writer.bytes
  }

  static func remove(_ id: Int32) -> [UInt8] {
    var writer = ProtoWriter()
    writer.int32(1, id)
    return writer.bytes
  }

  static func updateLeader(_ leader: Int32, term: UInt64, by reporter: Int32) -> [UInt8] {
    var writer = ProtoWriter()
    writer.int32(1, leader)
    writer.uint64(100, term)
    writer.int32(101, reporter)
    return writer.bytes
  }

  static func watch(after revision: UInt64, of registry: UInt64) -> [UInt8] {
    var writer = ProtoWriter()
    writer.uint64(1, revision)
    writer.fixed64(4, registry)
    return writer.bytes
  }
}

// MARK: Answers

struct RegisterAnswer {
  var status = ""
  var isBootstrap = false
  var revision: UInt64 = 0
  var intervalMilliseconds: UInt32 = 0
  var gateways: [String] = []

  init(_ bytes: [UInt8]) throws {
    var reader = ProtoReader(bytes)
    while try reader.next() {
      switch reader.field {
      case 1: status = try reader.string()
      case 3: isBootstrap = try reader.bool()
      case 100: revision = try reader.uint64()
      case 102: intervalMilliseconds = try reader.uint32()
      case 104: gateways.append(try reader.string())
      default: break
      }
    }
  }

  /// An older gateway has no revisions, and knows neither instances nor terms.
  var isOld: Bool { revision == 0 }
}

struct HeartbeatAnswer {
  var status = ""
  var revision: UInt64 = 0
  var intervalMilliseconds: UInt32 = 0

  init(_ bytes: [UInt8]) throws {
    var reader = ProtoReader(bytes)
    while try reader.next() {
      switch reader.field {
      case 1: status = try reader.string()
      case 100: revision = try reader.uint64()
      case 101: intervalMilliseconds = try reader.uint32()
      default: break
      }
    }
  }

  var isOld: Bool { revision == 0 }
}

struct NodesAnswer {
  var nodes: [NodeRecord] = []

  init(_ bytes: [UInt8]) throws {
    var reader = ProtoReader(bytes)
    while try reader.next() {
      if reader.field == 1 { nodes.append(try NodeRecord(reader.message())) }
    }
  }
}

struct LeaderAnswer {
  var leadership = Leadership()

  init(_ bytes: [UInt8]) throws {
    var node = NodeRecord(), isTold = false
    var reader = ProtoReader(bytes)
    while try reader.next() {
      switch reader.field {
      case 1: node = try NodeRecord(reader.message())
      case 101: leadership.term = try reader.uint64()
      case 102: isTold = try reader.bool()
      default: break
      }
    }
    // An older gateway says with the id 0 that there is none.
    if isTold || node.id != 0 { leadership.leader = node.id }
  }
}

/// The status word of an answer that has it first, as most do.
struct StatusAnswer {
  var status = ""
  var message = ""

  init(_ bytes: [UInt8]) throws {
    var reader = ProtoReader(bytes)
    while try reader.next() {
      switch reader.field {
      case 1: status = try reader.string()
      case 3 where status == "failed": message = try reader.string()
      default: break
      }
    }
  }
}

/// A change of the registry, or what it holds.
package struct WatchEvent {
  package enum Kind: Int32 { case reset, node, synced, joined, updated, left, leader }
  /// Nil: a kind of a newer gateway.
  package var kind: Kind? = .reset
  package var revision: UInt64 = 0
  package var node: NodeRecord?
  package var reason = ""
  package var leader: Int32 = 0
  package var term: UInt64 = 0
  /// Of which registry it tells; 0: the gateway does not say.
  package var registry: UInt64 = 0

  package init() {}

  package init(_ bytes: [UInt8]) throws {
    var reader = ProtoReader(bytes)
    while try reader.next() {
      switch reader.field {
      case 1: kind = Kind(rawValue: try reader.int32())
      case 2: revision = try reader.uint64()
      case 3: node = try NodeRecord(reader.message())
      case 4: reason = try reader.string()
      case 5: leader = try reader.int32()
      case 6: term = try reader.uint64()
      case 7: registry = try reader.fixed64()
      default: break
      }
    }
  }

  package var leadership: Leadership {
    Leadership(leader: leader != 0 || node != nil ? leader : nil, term: term)
  }
}
