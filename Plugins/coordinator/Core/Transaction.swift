/// What a transaction wants of one resource of a node.
struct Share: Sendable, Equatable {
  var resource: String
  var keys: [String]
  /// `[{"key": …, "change": …}]` in JSON, which nobody but the resource reads.
  var changes: String
}

/// A transaction as one of its participants is asked to prepare it.
struct Transaction: Sendable, Equatable {
  struct Member: Sendable, Equatable {
    var node: Int
    /// The life of the node's role that is asked: one that was started since may have forgotten a read-only vote.
    var run: UInt64
  }

  var id: String
  var ballot: Ballot
  /// Its place among those of the ballot, and below which mark nobody is in doubt about anything.
  var number: UInt64 = 0
  var floor = Mark()
  /// Milliseconds since 1970, on the coordinator's clock.
  var began: Int64
  var members: [Member]
  /// So many of them must agree.
  var needed: Int
  var shares: [Share]

  var mark: Mark { Mark(ballot: ballot, number: number) }
  /// The only participant decides by itself, in one phase.
  var isAlone: Bool { members.count == 1 }
  var locks: [LockKey] {
    shares.count == 1 && shares[0].keys.count == 1
      ? [LockKey(resource: shares[0].resource, key: shares[0].keys[0])]
      : shares.flatMap { share in share.keys.map { LockKey(resource: share.resource, key: $0) } }
  }
  /// The others can say that it will never be committed if so many of them refuse.
  var refusalsForAbort: Int { members.count - needed + 1 }
}
