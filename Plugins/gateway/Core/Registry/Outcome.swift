/// What became of an entry; the answer to the gateway that proposed it.
struct Outcome: Equatable {
  enum Kind {
    /// A node that was not there, or an instance that took a gone one's place.
    case registered
    /// The same instance again.
    case updated
    /// Another instance holds the id: `revision` is the holder's.
    case taken
    /// There are as many nodes as there may be.
    case full
    case removed
    /// No such node, or not the one that was meant.
    case notFound
    case otherInstance
    case leaderSet
    case leaderUnknown
    /// An older term than the known one, or none where one is known, or another leader of the same term.
    case leaderRefused
    case done
    /// The node has left, or has come back, since that was asked: it was overtaken on its way.
    case overtaken
  }

  var kind: Kind
  /// The registry's, or the node's.
  var revision: UInt64 = 0
  var isBootstrap = false

  init(_ kind: Kind, revision: UInt64 = 0, isBootstrap: Bool = false) {
    (self.kind, self.revision, self.isBootstrap) = (kind, revision, isBootstrap)
  }
}
