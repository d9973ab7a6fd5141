internal import NodeKit

/// When the code is exchanged.
extension ElectorNode {
  /// What the next build goes on with: nothing if it is to begin anew. Until this one has its turn again, it is not
  /// sure of anything.
  public func save() -> String {
    guard settings.mode == .quorum else {
      leave("its code is exchanged")
      return ""
    }
    guard let revision = turn.handOn(), let state = elector?.state(now) else { return "" }
    saved = now
    return Carried(turn: revision, monotonic: now, sinceEpoch: sinceEpoch, state: state).text
  }

  public func load(_ state: String) { carried = Carried(state) }

  /// The swap has not come, or was undone.
  func goOnIfOwnTurn() {
    do {
      try turn.confirm { [self] isMine in
        guard isMine, doubted.count < Self.doubtedLimit else { return try beginAnew() }
        let bodies = doubted
        doubted = []
        for body in bodies { tell(body) }
      }
    } catch { context.fail(.unavailable, "whose turn it is cannot be asked: \(error)") }
  }

  /// Whoever starts now may go on with what was saved a moment ago.
  var mayBeUsed: Bool { saved.map { now - $0 <= timing.lease } ?? false }

  /// A leadership that is given up must not come back out of a saved state.
  func withhold(_ message: ElectorMessage, _ node: Int) {
    withheld.append((message, node))
    guard withheld.count == 1 else { return }
    do {
      try turn.renew { [self] isMine in
        let messages = withheld
        (withheld, saved) = ([], nil)
        guard isMine else { return try beginAnew() }
        for (message, node) in messages { try? context.peers.send(message.bytes, to: node, priority: .urgent) }
      }
    } catch { context.fail(.unavailable, "the turn cannot be taken anew: \(error)") }
  }

  /// Another build had the turn meanwhile, and may have promised anything.
  func beginAnew() throws {
    context.log.info("node \(context.nodeID): the swap was undone; beginning anew")
    (elector, doubted, saved, withheld) = (nil, [], nil, [])
    try takeTurn(try others())
  }
}
