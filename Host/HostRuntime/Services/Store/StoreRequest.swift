import CNodeABI

/// Whoever asks a store: a role's build, or somebody at the control socket.
package protocol StoreClient: AnyObject, Sendable {
  /// Takes what the store answers at one time. The store's thread.
  func take(_ answers: [StoreAnswer])
}

/// Something asked of a store. Clients number what they ask as they like.
package struct StoreRequest: Sendable {
  package enum Kind: Sendable {
    case commit(StoreCommit)
    case get([UInt8])
    case scan(StoreRange)
  }
  var client: any StoreClient
  var number: UInt64
  var kind: Kind

  package init(_ kind: Kind, number: UInt64, by client: any StoreClient) {
    self.client = client
    self.number = number
    self.kind = kind
  }
}

/// What came of it. A scan is answered in several parts, each taken before the next one is read.
package struct StoreAnswer: Sendable {
  package enum Content: Sendable {
    case done(revision: UInt64)
    case value([UInt8], revision: UInt64)
    case entries([StoreEntry])
    /// All entries have come; the revision is that of their moment.
    case end(revision: UInt64)
    case failure(StoreFailure)
  }
  package var number: UInt64
  package var content: Content

  /// Values from this size on count in how much may be read and not taken.
  static let largeValue = 64 << 10

  /// What its client gives back with `Store.taken` when it has taken it.
  var heldBytes: Int {
    guard case .value(let value, _) = content, value.count >= Self.largeValue else { return 0 }
    return value.count
  }
}

package struct StoreEntry: Sendable {
  package var key: [UInt8]
  package var value: [UInt8]
  package var revision: UInt64
}
