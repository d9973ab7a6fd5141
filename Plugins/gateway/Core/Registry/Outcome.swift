import NodeKit
import ProtoFields

/// What became of an entry; the answer to the gateway that proposed it.
struct Outcome: Equatable {
  enum Kind: UInt32 {
    /// A node that was not there, or an instance that took a gone one's place.
    case registered = 1
    /// The same instance again.
    case updated = 2
    /// Another instance holds the id: `revision` is the holder's.
    case taken = 3
    /// There are as many nodes as there may be.
    case full = 4
    case removed = 5
    /// No such node, or not the one that was meant.
    case notFound = 6
    case otherInstance = 7
    case leaderSet = 8
    case leaderUnknown = 9
    /// An older term than the known one, or none where one is known, or another leader of the same term.
    case leaderRefused = 10
    case done = 11
    /// The node has left, or has come back, since that was asked: it was overtaken on its way.
    case overtaken = 12
  }

  var kind: Kind
  /// The registry's, or the node's.
  var revision: UInt64 = 0
  var isBootstrap = false

  var bytes: [UInt8] {
    var writer = ProtoWriter(reserving: 16)
    writer.uint32(1, kind.rawValue)
    writer.uint64(2, revision)
    writer.bool(3, isBootstrap)
    return writer.bytes
  }

  init(_ kind: Kind, revision: UInt64 = 0, isBootstrap: Bool = false) {
    (self.kind, self.revision, self.isBootstrap) = (kind, revision, isBootstrap)
  }

  init(_ bytes: [UInt8]) throws(RoleError) {
    var reader = ProtoReader(bytes), kind: Kind?
    var (revision, isBootstrap) = (UInt64(0), false)
    while try reader.next() {
      switch reader.field {
      case 1: kind = Kind(rawValue: try reader.uint32())
      case 2: revision = try reader.uint64()
      case 3: isBootstrap = try reader.bool()
      default: break
      }
    }
    guard let kind else { throw RoleError(.internal, "the gateway that leads answers in words of a newer build") }
    self.init(kind, revision: revision, isBootstrap: isBootstrap)
  }
}
