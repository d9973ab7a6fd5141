import NodeKit
import ProtoFields

/// What gateways tell each other beside the log: heartbeats, and who wants a silent node's id.
extension Gateway {
  static let claimChannel = 3

  func messageCame(_ message: Message) throws {
    guard isReady else { return }
    switch message.channel {
    case Gossip.channel: heard(of: try Gossip.ids(message.bytes))
    case Self.claimChannel:
      var reader = ProtoReader(message.bytes), id = Int32(0), revision = UInt64(0)
      while try reader.next() {
        switch reader.field {
        case 1: id = try reader.int32()
        case 2: revision = try reader.uint64()
        default: break
        }
      }
      claim(id, revision)
    default: break
    }
  }

  /// The leader alone may say that a node was silent for too long. Nobody waits for it: the client asks again.
  func sendClaim(_ id: Int32, _ revision: UInt64, to leader: Int) {
    var writer = ProtoWriter()
    writer.int32(1, id)
    writer.uint64(2, revision)
    try? context.peers.send(writer.bytes, to: leader, channel: Self.claimChannel)
  }
}
