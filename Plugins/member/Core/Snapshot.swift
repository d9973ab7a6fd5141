import NodeKit
import ProtoFields

/// What a member carries over: to the next build in a swap, and through its store to the next start. In the format of
/// Protocol Buffers, so that a build skips what it does not know.
package struct Snapshot {
  package var instance = ""
  package var sequence: UInt64 = 0
  package var gateway = ""
  package var learned: [String] = []
  package var isJoined = false
  package var isAway = false
  /// Its node was about to end.
  package var isGone = false
  /// Of the monotonic clock.
  package var savedNanoseconds: Int64 = 0
  package var isOldGateway = false
  package var bootstrap: Bool?
  package var intervalMilliseconds: UInt64 = 0
  package var revision: UInt64 = 0
  package var registry: UInt64 = 0
  package var leadership = Leadership()
  var report: Report?
  package var highestReport: UInt64 = 0
  /// Of the system's clock, in milliseconds: when there was news of a gateway last; 0: never.
  package var newsMilliseconds: Int64 = 0
  /// That was since the node was started.
  package var hasHeard = false
  package var nodes: [NodeRecord] = []
  /// Of nodes that the store does not know as they are.
  package var unwritten: [Int32] = []

  package init() {}

  package init(_ bytes: [UInt8]) throws {
    var reader = ProtoReader(bytes)
    while try reader.next() {
      switch reader.field {
      case 1: instance = try reader.string()
      case 2: gateway = try reader.string()
      case 3: learned.append(try reader.string())
      case 4: isJoined = try reader.bool()
      case 5: isAway = try reader.bool()
      case 6: isOldGateway = try reader.bool()
      case 7: bootstrap = try reader.uint64() == 2
      case 8: intervalMilliseconds = try reader.uint64()
      case 9: revision = try reader.uint64()
      case 10: registry = try reader.uint64()
      case 11: leadership.leader = try Int32(clamping: reader.signed() - 1)
      case 12: leadership.term = try reader.uint64()
      case 13: report = Report(leader: try reader.int32(), term: report?.term ?? 0)
      case 14: report = Report(leader: report?.leader ?? 0, term: try reader.uint64())
      case 15: highestReport = try reader.uint64()
      case 16: newsMilliseconds = try reader.int64()
      case 17: nodes.append(try NodeRecord(reader.message()))
      case 22: sequence = try reader.uint64()
      case 20: isGone = try reader.bool()
      case 21: savedNanoseconds = try reader.int64()
      case 19: hasHeard = try reader.bool()
      case 18: try reader.ints(into: &unwritten)
      default: break
      }
    }
    guard intervalMilliseconds <= 3_600_000 else {
      throw RoleError(.invalidArgument, "a state with heartbeats every \(intervalMilliseconds) ms is damaged")
    }
  }

  package var bytes: [UInt8] {
    var writer = ProtoWriter(reserving: 256 + nodes.count * 128)
    writer.string(1, instance)
    writer.string(2, gateway)
    for gateway in learned { writer.element(3, gateway) }
    writer.bool(4, isJoined)
    writer.bool(5, isAway)
    writer.bool(6, isOldGateway)
    if let bootstrap { writer.uint64(7, bootstrap ? 2 : 1) }
    writer.uint64(8, intervalMilliseconds)
    writer.uint64(9, revision)
    writer.uint64(10, registry)
    // One more than the id: 0 is left out, and is an id too.
    if let leader = leadership.leader { writer.signed(11, Int64(leader) + 1) }
    writer.uint64(12, leadership.term)
    if let report {
      writer.int32(13, report.leader)
      writer.uint64(14, report.term)
    }
    writer.uint64(15, highestReport)
    writer.int64(16, newsMilliseconds)
    for node in nodes { writer.message(17) { node.write(to: &$0) } }
    writer.ints(18, unwritten)
    writer.bool(19, hasHeard)
    writer.bool(20, isGone)
    writer.int64(21, savedNanoseconds)
    writer.uint64(22, sequence)
    return writer.bytes
  }
}
