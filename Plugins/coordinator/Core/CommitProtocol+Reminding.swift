internal import NodeKit

/// A resource that is started anew has lost what it had reserved in memory. So it is asked again for all that it has
/// agreed to, and told no outcome of what it has not been asked for in its present life.
extension CommitProtocol {
  /// A role has been started, or another build of it runs; these are its names.
  func resourceBegan(_ names: [String]) {
    for mine in localInOrder {
      let shares = mine.transaction.shares
      for place in shares.indices where names.contains(shares[place].resource) { haveLost(mine, place) }
      if mine.stage == .writing || mine.stage == .prepared { remind(mine) }
    }
  }

  private func haveLost(_ mine: LocalTransaction, _ place: Int) {
    switch mine.stage {
    case .waiting, .held: break
    case .asking:
      // One that is being asked answers that it has gone.
      if mine.agreed.contains(place) { mine.forgotten.insert(place) }
    case .writing, .prepared, .following, .ending: mine.forgotten.insert(place)
    }
  }

  func remind(_ mine: LocalTransaction) {
    mine.retryAt = .max
    // It counts on what those before it do.
    guard mine.behind.isEmpty else { return }
    for place in mine.forgotten.sorted() where !mine.reminding.contains(place) { remind(mine, place) }
  }

  func remind(_ mine: LocalTransaction, _ place: Int) {
    mine.reminding.insert(place)
    mine.forgotten.remove(place)
    call(.prepare, place, mine)
  }

  func wasReminded(_ mine: LocalTransaction, _ place: Int, _ refusal: String?, isAway: Bool) {
    mine.reminding.remove(place)
    // It was started once more.
    if mine.forgotten.contains(place) { return remind(mine, place) }
    if mine.stage == .ending {
      // It voted yes, so no is no answer any more.
      guard let refusal, isAway else { return call(mine.endingVerb, place, mine) }
      mine.unanswered -= 1
      return haveFailed(mine, place, .prepare, refusal)
    }
    guard let refusal else { return }
    mine.forgotten.insert(place)
    retryLater(mine)
    guard mine.failures == 1 || mine.failures % 20 == 0 else { return }
    notices.append(
      .error("\(mine.transaction.shares[place].resource) prepared \(mine.id), and now does not: \(refusal)"))
  }

  func retryLater(_ mine: LocalTransaction) {
    mine.failures += 1
    let pause = min(5_000_000_000, Int64(50_000_000) << min(Int64(mine.failures) - 1, 7))
    mine.retryAt = now + pause + random(below: pause)
  }
}

extension LocalTransaction {
  var endingVerb: CommitProtocol.ResourceCall.Verb { outcome == .commit && !isLeftOut ? .commit : .abort }
}
