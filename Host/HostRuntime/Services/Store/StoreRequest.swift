import CNodeABI

/// Whoever asks a store: a role's build, or somebody at the control socket.
package protocol StoreClient: AnyObject, Sendable {
  /// Takes what the store answers at one time. The store's thread.
  func take(_ answers: [StoreAnswer])
}

/// The durable store of one role name. Any thread.
package protocol RoleStore: AnyObject, Sendable {
  var role: String { get }
  /// All that is sent together is one batch.
  func send(_ requests: [StoreRequest])
  /// Opens it, or opens it again if it has failed, and tells what is wrong with it.
  func prepare(_ done: @escaping @Sendable (StoreFailure?) -> Void)
  /// The client has taken the last part of a scan and wants the next.
  func goOn(_ number: UInt64, of client: any StoreClient)
  /// The client has taken values of so many bytes; see `StoreAnswer.heldBytes`.
  func taken(_ bytes: Int)
  /// Ends a scan without an answer.
  func endScan(_ number: UInt64, of client: any StoreClient)
}

/// The stores of a node, by the role's name. They outlive builds and restarts of their roles, and end with the node.
package protocol RoleStores: AnyObject, Sendable {
  /// The store of a role, made when it is first used; nil on a host that stores nothing.
  func store(of role: String) -> (any RoleStore)?
  /// The same, only if there is one: whoever looks at a store must not make it.
  func present(of role: String) -> (any RoleStore)?
  /// The names that have stores, also those of roles that the node has no more.
  var roles: [String] { get }
  /// A role has left the node.
  func close(_ role: String)
  /// Returns when everything that was sent is on disk.
  func end()
}

/// Something asked of a store. Clients number what they ask as they like.
package struct StoreRequest: Sendable {
  package enum Kind: Sendable {
    case commit(StoreCommit)
    case get([UInt8])
    case scan(StoreRange)
  }
  package var client: any StoreClient
  package var number: UInt64
  package var kind: Kind

  package init(_ kind: Kind, number: UInt64, by client: any StoreClient) {
    self.client = client
    self.number = number
    self.kind = kind
  }
}

/// What came of it. A scan is answered in several parts, each taken before the next one is read.
package struct StoreAnswer: Sendable {
  package init(number: UInt64, content: Content) { (self.number, self.content) = (number, content) }

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

  package init(key: [UInt8], value: [UInt8], revision: UInt64) {
    (self.key, self.value, self.revision) = (key, value, revision)
  }
}
