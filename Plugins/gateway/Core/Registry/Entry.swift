import NodeKit
import ProtoFields

/// A change of the registry that the gateways agree on. Every gateway does the same ones in the same order.
enum Entry {
  case join(Join)
  case leave(Leave)
  case leader(NewLeader)
  /// The next node that registers shall bootstrap, whoever did before.
  case resetBootstrap
  /// From here on the gateway that drew this number lets nodes expire, by its own clock, and no other does. The first
  /// one is the registry's name for ever.
  case watch(epoch: UInt64)

  struct Join {
    var id: Int32
    /// ``Node/info``.
    var info: ArraySlice<UInt8>
    /// Seconds since 1970.
    var time: Double
    /// The most nodes that there may be.
    var limit: UInt32
    /// What the gateway had done when the node asked: if the node has left since, this was asked before it left.
    var base: UInt64 = 0
    /// Counted up by the instance with all that it asks for; 0 if it does not count.
    var sequence: UInt64 = 0

    init(id: Int32, info: [UInt8], time: Double, limit: UInt32, base: UInt64 = 0, sequence: UInt64 = 0) {
      (self.id, self.info, self.time, self.limit) = (id, info[...], time, limit)
      (self.base, self.sequence) = (base, sequence)
    }

    /// The entry's bytes, with what the node tells straight from the facts.
    func bytes(telling facts: NodeFacts) -> [UInt8] {
      // No more than it takes: entries live until their disk has them, and small pieces of memory are found sooner.
      var writer = ProtoWriter(reserving: 80)
      write(to: &writer) { facts.write(id: id, to: &$0) }
      return writer.bytes
    }

    fileprivate func write(to writer: inout ProtoWriter, _ info: (inout ProtoWriter) -> Void) {
      writer.message(1) { message in
        message.int32(1, id)
        message.message(2, info)
        message.double(3, time)
        message.uint32(5, limit)
        message.uint64(6, base)
        message.uint64(7, sequence)
      }
    }
  }

  struct Leave {
    enum Reason: UInt32 {
      case left = 1
      case expired = 2
      case evicted = 3

      var word: String {
        switch self {
        case .left: "left"
        case .expired: "expired"
        case .evicted: "evicted"
        }
      }
    }
    var id: Int32
    var reason: Reason
    /// Only if this is still its last change; 0 is any.
    var revision: UInt64 = 0
    /// Only if it is this instance, also an empty one; nil is any.
    var instance: String?
    /// Of who lets it expire.
    var epoch: UInt64 = 0
    /// What the gateway had done when it was asked: if the node has registered again since, it stays.
    var base: UInt64 = .max
    var sequence: UInt64 = 0
    var time: Double
  }

  struct NewLeader {
    var id: Int32
    /// 0: none was told.
    var term: UInt64
    var time: Double
  }

  var bytes: [UInt8] {
    var writer = ProtoWriter(reserving: 192)
    switch self {
    case .join(let join): join.write(to: &writer) { $0.append(join.info) }
    case .leave(let leave):
      writer.message(2) { message in
        message.int32(1, leave.id)
        message.uint32(2, leave.reason.rawValue)
        message.uint64(3, leave.revision)
        if let instance = leave.instance { message.element(4, instance) }
        message.double(5, leave.time)
        message.fixed64(6, leave.epoch)
        message.uint64(7, leave.base)
        message.uint64(8, leave.sequence)
      }
    case .leader(let leader):
      writer.message(3) { message in
        message.int32(1, leader.id)
        message.uint64(2, leader.term)
        message.double(3, leader.time)
      }
    case .resetBootstrap: writer.message(4) { _ in }
    case .watch(let epoch): writer.fixed64(5, epoch)
    }
    return writer.bytes
  }

  init(_ bytes: [UInt8]) throws(RoleError) {
    var reader = ProtoReader(bytes), entry: Entry?
    while try reader.next() {
      switch reader.field {
      case 1: entry = .join(try Self.join(reader.message()))
      case 2: entry = .leave(try Self.leave(reader.message()))
      case 3: entry = .leader(try Self.leader(reader.message()))
      case 4: entry = .resetBootstrap
      case 5: entry = .watch(epoch: try reader.fixed64())
      default: break
      }
    }
    guard let entry else {
      throw RoleError(.dataLoss, "an entry of the log is of no kind that this build knows; a newer gateway wrote it")
    }
    self = entry
  }

  private static func join(_ message: ProtoReader) throws(RoleError) -> Join {
    var join = Join(id: 0, info: [], time: 0, limit: .max), message = message
    while try message.next() {
      switch message.field {
      case 1: join.id = try message.int32()
      case 2: join.info = try message.slice()
      case 3: join.time = try message.double()
      case 5: join.limit = try message.uint32()
      case 6: join.base = try message.uint64()
      case 7: join.sequence = try message.uint64()
      default: break
      }
    }
    return join
  }

  private static func leave(_ message: ProtoReader) throws(RoleError) -> Leave {
    var leave = Leave(id: 0, reason: .left, time: 0), message = message
    while try message.next() {
      switch message.field {
      case 1: leave.id = try message.int32()
      case 2: leave.reason = Leave.Reason(rawValue: try message.uint32()) ?? .left
      case 3: leave.revision = try message.uint64()
      case 4: leave.instance = try message.string()
      case 5: leave.time = try message.double()
      case 6: leave.epoch = try message.fixed64()
      case 7: leave.base = try message.uint64()
      case 8: leave.sequence = try message.uint64()
      default: break
      }
    }
    return leave
  }

  private static func leader(_ message: ProtoReader) throws(RoleError) -> NewLeader {
    var leader = NewLeader(id: 0, term: 0, time: 0), message = message
    while try message.next() {
      switch message.field {
      case 1: leader.id = try message.int32()
      case 2: leader.term = try message.uint64()
      case 3: leader.time = try message.double()
      default: break
      }
    }
    return leader
  }
}
