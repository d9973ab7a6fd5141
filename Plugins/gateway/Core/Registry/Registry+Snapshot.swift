import NodeKit
import ProtoFields

extension Registry {
  /// All of it, as bytes. The same registry makes the same bytes.
  func snapshot() -> [UInt8] { content(epoch) }

  private func content(_ epoch: UInt64) -> [UInt8] {
    var writer = ProtoWriter(reserving: 256 + nodes.count * 192)
    writer.uint64(1, revision)
    writer.fixed64(2, seed)
    writer.fixed64(6, epoch)
    if let leader {
      writer.message(3) { message in
        message.int32(1, leader.id)
        message.uint64(2, leader.term)
      }
    }
    if let bootstrap {
      writer.message(4) { message in
        message.int32(1, bootstrap.id)
        message.string(2, bootstrap.instance)
        message.string(3, bootstrap.place)
        message.bool(4, bootstrap.othersCame)
      }
    }
    for node in inOrder {
      writer.message(5) { message in
        message.int32(1, node.id)
        message.data(2, node.info)
        message.double(3, node.joined)
        message.uint64(4, node.revision)
        message.uint64(5, node.registeredAt)
        message.ints(6, node.displaced)
        message.uint64(7, node.sequence)
      }
    }
    for departure in departures.known {
      writer.message(7) { message in
        message.int32(1, departure.id)
        message.uint64(2, departure.index)
        message.fixed64(3, departure.instance)
        message.uint64(4, departure.sequence)
        message.ints(5, departure.displaced)
      }
    }
    return writer.bytes
  }

  /// Takes what `snapshot` gave. On an error nothing has changed.
  func restore(_ snapshot: [UInt8], at index: UInt64) throws(RoleError) {
    var reader = ProtoReader(snapshot)
    var nodes: [Int32: Node] = [:]
    var (revision, seed, epoch) = (UInt64(0), UInt64(0), UInt64(0))
    var leader: Leader?, bootstrap: Bootstrap?, departures = Departures()
    while try reader.next() {
      switch reader.field {
      case 1: revision = try reader.uint64()
      case 2: seed = try reader.fixed64()
      case 3: leader = try Self.leader(reader.message())
      case 4: bootstrap = try Self.bootstrap(reader.message())
      case 5:
        let node = try Self.node(reader.message())
        nodes[node.id] = node
      case 6: epoch = try reader.fixed64()
      case 7:
        departures.add(try Self.departure(reader.message()))
      default: break
      }
    }
    replace(
      nodes: nodes, revision: revision, seed: seed, epoch: epoch, leader: leader, bootstrap: bootstrap, index: index,
      departures: departures)
  }

  private static func leader(_ message: ProtoReader) throws(RoleError) -> Leader {
    var leader = Leader(id: 0, term: 0), message = message
    while try message.next() {
      switch message.field {
      case 1: leader.id = try message.int32()
      case 2: leader.term = try message.uint64()
      default: break
      }
    }
    return leader
  }

  private static func bootstrap(_ message: ProtoReader) throws(RoleError) -> Bootstrap {
    var bootstrap = Bootstrap(id: 0, instance: "", place: ""), message = message
    while try message.next() {
      switch message.field {
      case 1: bootstrap.id = try message.int32()
      case 2: bootstrap.instance = try message.string()
      case 3: bootstrap.place = try message.string()
      case 4: bootstrap.othersCame = try message.bool()
      default: break
      }
    }
    return bootstrap
  }

  private static func departure(_ message: ProtoReader) throws(RoleError) -> Departures.Departure {
    var departure = Departures.Departure(id: 0, index: 0), message = message
    while try message.next() {
      switch message.field {
      case 1: departure.id = try message.int32()
      case 2: departure.index = try message.uint64()
      case 3: departure.instance = try message.fixed64()
      case 4: departure.sequence = try message.uint64()
      case 5: try message.ints(into: &departure.displaced, limit: Node.displacedLimit)
      default: break
      }
    }
    return departure
  }

  private static func node(_ message: ProtoReader) throws(RoleError) -> Node {
    var (id, info, joined, revision, at) = (Int32(0), [UInt8](), 0.0, UInt64(0), UInt64(0)), message = message
    var displaced: [UInt64] = [], sequence = UInt64(0)
    while try message.next() {
      switch message.field {
      case 1: id = try message.int32()
      case 2: info = try message.data()
      case 3: joined = try message.double()
      case 4: revision = try message.uint64()
      case 5: at = try message.uint64()
      case 6: try message.ints(into: &displaced, limit: Node.displacedLimit)
      case 7: sequence = try message.uint64()
      default: break
      }
    }
    let node = Node(
      id: id, instance: NodeFacts(info).instance, info: info, joined: joined, revision: revision, registeredAt: at,
      displaced: displaced)
    node.sequence = sequence
    return node
  }

  /// Revision and a checksum of what is registered: the same on all gateways that have done the same entries.
  var digest: String {
    // FNV-1a: for comparing by eye, not against anybody who cheats.
    var sum: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in content(0) { sum = (sum ^ UInt64(byte)) &* 0x100_0000_01B3 }
    return "\(revision)-\(String(sum, radix: 16))"
  }
}
