import NodeKit
import ProtoFields

/// The heartbeats that each gateway gets, passed on to the others in batches: so whichever leads knows who is there,
/// wherever nodes send them to.
final class Gossip {
  static let channel = 2
  /// How long a heartbeat waits for others.
  static let pause = Duration.milliseconds(200)
  /// More go in a message of their own.
  private static let mostInOne = 50_000

  private let context: RoleContext
  private let others: [Int]
  private var heard: [Int32] = []
  private var batch: UInt64 = 1
  private var isWaiting = false

  init(_ context: RoleContext, others: [Int]) { (self.context, self.others) = (context, others) }

  func note(_ node: Node) {
    guard !others.isEmpty, node.batch != batch else { return }
    node.batch = batch
    heard.append(node.id)
    if heard.count >= Self.mostInOne { return send() }
    guard !isWaiting else { return }
    isWaiting = true
    _ = try? context.timer.once(after: Self.pause) { [unowned self] in
      isWaiting = false
      send()
    }
  }

  private func send() {
    batch += 1
    guard !heard.isEmpty else { return }
    var writer = ProtoWriter(reserving: heard.count * 4)
    writer.ints(1, heard)
    heard.removeAll(keepingCapacity: true)
    // One that is not linked hears of them with their next heartbeats.
    for node in others { try? context.peers.send(writer.bytes, to: node, channel: Self.channel) }
  }

  static func ids(_ bytes: [UInt8]) throws(RoleError) -> [Int32] {
    var reader = ProtoReader(bytes), ids: [Int32] = []
    while try reader.next() {
      if reader.field == 1 { try reader.ints(into: &ids, limit: mostInOne * 2) }
    }
    return ids
  }
}
