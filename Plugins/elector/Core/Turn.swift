import NodeKit

/// Whose turn it is to elect for this node. Of the builds of a swap, and of one that was undone, only one may vote and
/// lead, and none can know by itself that it is still the one. So whoever begins takes the turn, durably, and every
/// vote is written only if the turn is still its own. After a state was saved, the turn is in doubt until it is looked
/// at.
final class Turn {
  private static let key = "turn"

  private let context: RoleContext
  /// Of the commit with which this build took it.
  private var revision: UInt64 = 0
  private(set) var isSure = false
  private var isAsking = false
  private var isRenewing = false

  init(_ context: RoleContext) { self.context = context }

  /// Takes it from whoever has it. `done` gets what the one before has saved, if nothing came between.
  func take(_ carried: Carried?, then done: @escaping (Carried?) throws -> Void) throws {
    isSure = false
    try context.store.get(Self.key) { [self] (found: Result<Stored<JSON>?, RoleError>) in
      guard case .success(let stored) = found else { return fail("whose turn it is cannot be read") }
      let before = stored?.revision ?? 0
      try claim(after: before) { [self] isMine in
        guard isMine else { return try take(carried, then: done) }
        try done(carried.flatMap { $0.turn == before ? $0 : nil })
      }
    }
  }

  private func claim(after before: UInt64, _ done: @escaping (Bool) throws -> Void) throws {
    try context.store.commit {
      $0.expect(Self.key, revision: before)
      $0.put(Self.key, JSON(context.nodeID))
    } then: { [self] result in
      switch result {
      case .success(let revision):
        (self.revision, isSure) = (revision, true)
        try done(true)
      case .failure(let error) where error.status == .aborted: try done(false)
      case .failure(let error): fail("the turn cannot be written down: \(error.message)")
      }
    }
  }

  private func fail(_ words: String) {
    context.fail(.dataLoss, "\(words), and two builds of this node could vote")
  }

  /// For a state that is saved now; nil if there is nothing to hand on.
  func handOn() -> UInt64? {
    isSure = false
    // While it is taken anew, nobody knows its revision.
    return revision == 0 || isRenewing ? nil : revision
  }

  /// Finds out whether it is still this build's turn.
  func confirm(_ done: @escaping (Bool) throws -> Void) throws {
    guard !isAsking else { return }
    isAsking = true
    try context.store.get(Self.key) { [self] (found: Result<Stored<JSON>?, RoleError>) in
      isAsking = false
      guard case .success(let stored) = found else { return fail("whose turn it is cannot be read") }
      isSure = stored?.revision == revision
      try done(isSure)
    }
  }

  /// Takes it anew, so that no state that was saved before counts.
  func renew(_ done: @escaping (Bool) throws -> Void) throws {
    isRenewing = true
    try claim(after: revision) { [self] isMine in
      isRenewing = false
      try done(isMine)
    }
  }

  /// A commit that counts only as long as the turn is this build's.
  func bind(_ commit: inout StoreCommit) { commit.expect(Self.key, revision: revision) }
}
