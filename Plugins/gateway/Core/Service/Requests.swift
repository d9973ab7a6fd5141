import NodeKit
import ProtoFields

/// A RegisterNodeRequest. It waits for the disk, in a closure that need not copy it.
final class Registration {
  let id: Int32
  let facts: NodeFacts
  let withoutNodes: Bool
  let sequence: UInt64

  init(_ bytes: [UInt8], _ limits: RequestLimits) throws(RoleError) {
    var reader = ProtoReader(bytes)
    guard bytes.count <= limits.nodeBytes else {
      throw RoleError(
        .invalidArgument,
        "the node tells \(bytes.count) bytes of itself, and \(limits.nodeBytes) are allowed; leave labels out")
    }
    var id: Int32 = 0, facts = NodeFacts(), withoutNodes = false, sequence: UInt64 = 0
    while try reader.next() {
      switch reader.field {
      case 1: id = try reader.int32()
      case 2: facts.address = try limits.text(&reader, "ip_address")
      case 3: facts.port = try reader.int32()
      case 4: facts.capabilities.append(try limits.text(&reader, "capabilities"))
      case 5: facts.labels.append(try limits.label(&reader))
      case 100: facts.instance = try limits.text(&reader, "instance")
      case 101: withoutNodes = try reader.bool()
      case 102: sequence = try reader.uint64()
      default: break
      }
    }
    try Self.check(&facts, limits)
    (self.id, self.facts, self.withoutNodes, self.sequence) = (id, facts, withoutNodes, sequence)
  }

  private static func check(_ facts: inout NodeFacts, _ limits: RequestLimits) throws(RoleError) {
    guard !facts.address.isEmpty else {
      throw RoleError(.invalidArgument, "ip_address is empty; tell where other nodes reach this one")
    }
    guard (0...65_535).contains(facts.port) else {
      throw RoleError(.invalidArgument, "port is \(facts.port); it is from 0 to 65535")
    }
    try limits.check(&facts.capabilities, &facts.labels)
  }
}

/// What requests may hold.
struct RequestLimits {
  var capabilities: Int
  var labels: Int
  var text: Int
  var nodeBytes: Int

  init(_ settings: GatewaySettings) {
    (capabilities, labels) = (settings.capabilityLimit, settings.labelLimit)
    (text, nodeBytes) = (settings.textLimit, settings.nodeBytes)
  }

  func text(_ reader: inout ProtoReader, _ name: String) throws(RoleError) -> String {
    let text = try reader.string()
    guard text.utf8.count <= self.text else {
      throw RoleError(.invalidArgument, "\(name) is \(text.utf8.count) bytes long; at most \(self.text) are allowed")
    }
    return text
  }

  func label(_ reader: inout ProtoReader) throws(RoleError) -> (key: String, value: String) {
    var label = (key: "", value: "")
    try reader.pair { label = ($0, $1) }
    guard label.key.utf8.count <= text, label.value.utf8.count <= text else {
      throw RoleError(.invalidArgument, "the label \(label.key.prefix(40)) is longer than \(text) bytes")
    }
    return label
  }

  /// Keeps each once: of labels that come twice the last, as everybody reads a map.
  func check(_ words: inout [String], _ labels: inout [(key: String, value: String)]) throws(RoleError) {
    guard words.count <= capabilities else {
      throw RoleError(.invalidArgument, "\(words.count) capabilities; at most \(capabilities) are allowed")
    }
    guard labels.count <= self.labels else {
      throw RoleError(.invalidArgument, "\(labels.count) labels; at most \(self.labels) are allowed")
    }
    guard labels.count > 1 else { return }
    var kept: [(key: String, value: String)] = []
    for label in labels {
      kept.removeAll { $0.key == label.key }
      kept.append(label)
    }
    labels = kept
  }
}

/// A GetNodesRequest.
struct NodesRequest {
  var except: Int32 = 0
  var filter = NodeFilter()

  init(_ bytes: [UInt8], _ limits: RequestLimits) throws(RoleError) {
    var reader = ProtoReader(bytes)
    while try reader.next() {
      switch reader.field {
      case 1: except = try reader.int32()
      case 100: filter.capabilities.append(try limits.text(&reader, "capabilities"))
      case 101: filter.labels.append(try limits.label(&reader))
      default: break
      }
    }
    try limits.check(&filter.capabilities, &filter.labels)
  }
}

/// A HeartbeatRequest, a RemoveNodeRequest, or a DeregisterRequest, whose instance has another number.
struct NodeRequest {
  var id: Int32 = 0
  var instance = ""
  var sequence: UInt64 = 0

  init(_ bytes: [UInt8], instance field: Int = 100) throws(RoleError) {
    var reader = ProtoReader(bytes)
    while try reader.next() {
      switch reader.field {
      case 1: id = try reader.int32()
      case field: instance = try reader.string()
      case 4: sequence = try reader.uint64()
      default: break
      }
    }
  }
}

/// An UpdateLeaderRequest.
struct LeaderRequest {
  var id: Int32 = 0
  var term: UInt64 = 0
  var reporter: Int32 = 0

  init(_ bytes: [UInt8]) throws(RoleError) {
    var reader = ProtoReader(bytes)
    while try reader.next() {
      switch reader.field {
      case 1: id = try reader.int32()
      case 100: term = try reader.uint64()
      case 101: reporter = try reader.int32()
      default: break
      }
    }
  }
}

/// A WatchRequest.
struct WatchRequest {
  var after: UInt64 = 0
  var filter = NodeFilter()
  /// The seed of the registry that `after` is a revision of; 0: not told.
  var registry: UInt64 = 0

  init(_ bytes: [UInt8], _ limits: RequestLimits) throws(RoleError) {
    var reader = ProtoReader(bytes)
    while try reader.next() {
      switch reader.field {
      case 1: after = try reader.uint64()
      case 2: filter.capabilities.append(try limits.text(&reader, "capabilities"))
      case 3: filter.labels.append(try limits.label(&reader))
      case 4: registry = try reader.fixed64()
      default: break
      }
    }
    try limits.check(&filter.capabilities, &filter.labels)
  }
}
