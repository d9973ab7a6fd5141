internal import NodeKit

/// What a participant in doubt does: it asks the coordinator, and the other participants.
extension CommitProtocol {
  func tickParticipant() {
    for mine in localInOrder {
      if mine.isInDoubt, mine.askAt <= now { ask(mine) }
      guard mine.retryAt <= now else { continue }
      if mine.stage == .ending, mine.unanswered == 0 { end(mine) }
      if mine.stage == .prepared { remind(mine) }
    }
  }

  private func ask(_ mine: LocalTransaction) {
    mine.rounds += 1
    let pause = min(settings.doubtTime << min(Int64(mine.rounds) - 1, 3), 8_000_000_000)
    mine.askAt = now + pause / 2 + random(below: pause / 2)
    let id = mine.id, ballot = mine.transaction.ballot
    let asksCoordinator = coordinator.map { isLinked($0) } ?? false
    if asksCoordinator { say(.inquire(id: id, ballot), to: coordinator!) }
    guard mine.rounds > 1 || !asksCoordinator else { return }
    for member in mine.transaction.members where member.node != me && isLinked(member.node) {
      say(.ask(id: id, ballot, run: member.run), to: member.node)
    }
    #if BROKEN_GUESSES
      guard mine.rounds > 2 else { return }
      settle(mine, Decision(id: id, outcome: .abort, reason: "nobody answers", began: mine.transaction.began))
    #endif
  }

  /// Another participant is in doubt.
  func questionCame(_ id: String, _ ballot: Ballot, _ run: UInt64, from node: Int) {
    if let past = history[id] {
      say(past.decision.map { .outcome([$0]) } ?? .refuses(id: id), to: node)
      return
    }
    if let mine = local[id] {
      if mine.hasOnlyRefused { return refuse(id, for: node) }
      if let decision = mine.decision, mine.isSettled { return say(.outcome([decision]), to: node) }
      let why = "another node is in doubt about it, and this one has not voted"
      switch mine.stage {
      case .asking: mine.refusal = mine.refusal ?? why
      case .waiting:
        forget(mine)
        vote(.no(why), mine.transaction, to: mine.asker)
        refuse(id, for: node)
      default: break
      }
      return
    }
    // The history ends somewhere, and one that was started since it was asked may have forgotten that it only reads.
    guard run == self.run, votes.isWithout(id) else { return }
    refuse(id, for: node)
  }

  private func refuse(_ id: String, for node: Int) {
    history.put(id, PastTransaction(end: .refused, at: wall), &write)
    write.afterwards(.send(.refuses(id: id), to: node))
  }

  func refusalCame(_ id: String, from node: Int) {
    guard let mine = local[id], mine.isInDoubt else { return }
    guard mine.transaction.members.contains(where: { $0.node == node }) else { return }
    mine.refusals.insert(node)
    guard mine.refusals.count >= mine.transaction.refusalsForAbort else { return }
    let nodes = mine.refusals.sorted().map(String.init).joined(separator: ", ")
    settle(
      mine,
      Decision(
        id: id, outcome: .abort, reason: "its coordinator is away, and node \(nodes) will not agree",
        began: mine.transaction.began))
  }
}
