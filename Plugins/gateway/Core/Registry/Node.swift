import NodeKit
import ProtoFields

/// A registered node. What the gateways agreed on never changes in it: a change puts another in its place. When it was
/// last heard of is what this gateway knows by itself.
final class Node {
  let id: Int32
  let instance: String
  /// The fields of a NodeInfo that the node itself has told, as they are sent: 1 to 4, 8 and 100.
  let info: [UInt8]
  /// Seconds since 1970, by the clock of the gateway that took it in.
  let joined: Double
  /// Of its last change.
  let revision: UInt64
  /// Instances before this one, as numbers: they are dead, and what of them is still on its way comes too late. One
  /// that is alive all the same asks again, and is taken then.
  private(set) var displaced: [UInt64]
  static let displacedLimit = 4
  /// The index of the entry by which it registered last; agreed on too.
  var registeredAt: UInt64
  /// The highest that the instance has told; agreed on too.
  var sequence: UInt64 = 0
  /// On this gateway's monotonic clock, in nanoseconds.
  var seen: Int64 = 0
  /// The last batch of heartbeats for the other gateways that it was put into.
  var batch: UInt64 = 0

  init(
    id: Int32, instance: String, info: [UInt8], joined: Double, revision: UInt64, registeredAt: UInt64 = 0,
    displaced: [UInt64] = []
  ) {
    (self.id, self.instance, self.info) = (id, instance, info)
    (self.joined, self.revision, self.registeredAt) = (joined, revision, registeredAt)
    self.displaced = displaced
  }

  /// Whether this is what it has told, to the byte.
  func tells(_ info: ArraySlice<UInt8>) -> Bool {
    guard self.info.count == info.count else { return false }
    return self.info.withUnsafeBytes { own in
      info.withUnsafeBytes { other in
        var place = 0
        // By words: of all that is done with a node that registers again, this would be the most.
        while place + 8 <= own.count {
          guard
            own.loadUnaligned(fromByteOffset: place, as: UInt64.self)
              == other.loadUnaligned(fromByteOffset: place, as: UInt64.self)
          else { return false }
          place += 8
        }
        return (place..<own.count).allSatisfy { own[$0] == other[$0] }
      }
    }
  }

  /// Writes it as a NodeInfo.
  func write(to writer: inout ProtoWriter, field: Int, status: String, seen: Double) {
    writer.message(field) { message in
      message.append(info)
      message.string(5, status)
      message.double(6, seen)
      message.double(7, joined)
      message.uint64(101, revision)
    }
  }
}

extension Node {
  /// An instance as a number, the same on every gateway (FNV-1a).
  static func number(of instance: String) -> UInt64 {
    instance.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
  }

  /// What the next instance has to remember of those before it.
  static func displaced(_ earlier: [UInt64], _ last: UInt64, by instance: String) -> [UInt64] {
    guard last != number(of: ""), last != 0, last != number(of: instance) else { return earlier }
    return earlier.suffix(displacedLimit - 1) + [last]
  }

  func displaced(by instance: String) -> [UInt64] {
    Self.displaced(displaced, Self.number(of: self.instance), by: instance)
  }

  /// Whether an instance has been displaced; the next time it is not any more.
  func refusesOnce(_ instance: String) -> Bool {
    guard !displaced.isEmpty, !instance.isEmpty, let place = displaced.firstIndex(of: Self.number(of: instance)) else {
      return false
    }
    displaced.remove(at: place)
    return true
  }
}

/// What a node has told of itself, read from its fields when somebody asks.
struct NodeFacts {
  var address = ""
  var port: Int32 = 0
  var capabilities: [String] = []
  var labels: [(key: String, value: String)] = []
  var instance = ""

  init() {}

  init(_ info: [UInt8]) {
    var reader = ProtoReader(info)
    // They were written by a gateway; what another version has added is left out.
    while (try? reader.next()) == true {
      switch reader.field {
      case 2: address = (try? reader.string()) ?? ""
      case 3: port = (try? reader.int32()) ?? 0
      case 4: if let word = try? reader.string() { capabilities.append(word) }
      case 8: try? reader.pair { labels.append(($0, $1)) }
      case 100: instance = (try? reader.string()) ?? ""
      default: break
      }
    }
  }

  /// "10.0.0.7:5001".
  var place: String { address.utf8.contains(UInt8(ascii: ":")) ? "[\(address)]:\(port)" : "\(address):\(port)" }

  /// As the fields of a NodeInfo. Labels are in order, so that the same facts are the same bytes.
  func info(id: Int32) -> [UInt8] {
    var writer = ProtoWriter(reserving: 128)
    write(id: id, to: &writer)
    return writer.bytes
  }

  func write(id: Int32, to writer: inout ProtoWriter) {
    writer.int32(1, id)
    writer.string(2, address)
    writer.int32(3, port)
    for word in capabilities { writer.element(4, word) }
    for (key, value) in labels.count < 2 ? labels : labels.sorted(by: { $0.key < $1.key }) {
      writer.pair(8, key, value)
    }
    writer.string(100, instance)
  }

  /// Whether it may take the other's place: it is the same instance, or comes from the same address, where no other can
  /// be alive then.
  func mayFollow(_ other: NodeFacts) -> Bool {
    if !instance.isEmpty, instance == other.instance { return true }
    let hasPort = port != 0 || (instance.isEmpty && other.instance.isEmpty)
    return hasPort && address == other.address && port == other.port
  }
}

/// Which nodes somebody wants: those that have all of these.
struct NodeFilter {
  var capabilities: [String] = []
  var labels: [(key: String, value: String)] = []

  var isEmpty: Bool { capabilities.isEmpty && labels.isEmpty }

  func takes(_ info: [UInt8]) -> Bool {
    if isEmpty { return true }
    let facts = NodeFacts(info)
    return capabilities.allSatisfy { facts.capabilities.contains($0) }
      && labels.allSatisfy { wanted in facts.labels.contains { $0 == wanted } }
  }
}
