internal import NodeKit

/// One transaction behind another on the same key. A resource that counts a commit from when it is told need not have
/// it on the disk before the next transaction is prepared: so the sync of the one goes on beside those of the other,
/// and a row of transactions on one key takes two syncs for each of them, not three.
///
/// What follows is carried out only when what it follows has been, as far as this node's memory knows; the disk may
/// still have both as prepared. After a crash they are carried out again in the same order, and the resource knows what
/// it has done already. There are never three: the record of a third is written behind the deletion of the first's.
extension CommitProtocol {
  /// Its resources have been told to commit, and others may have its keys.
  func letOthersFollow(_ mine: LocalTransaction) {
    for key in mine.transaction.locks { ahead[key] = mine.id }
    freeKeys(of: mine)
  }

  /// It has its keys, some of them perhaps from one that is still being carried out.
  func follow(_ mine: LocalTransaction) {
    guard !ahead.isEmpty else { return }
    mine.behind = Set(mine.transaction.locks.compactMap { ahead[$0] })
    for id in mine.behind { local[id]!.followers.append(mine.id) }
  }

  /// It is carried out.
  func letFollowersOn(_ mine: LocalTransaction) {
    if !ahead.isEmpty { for key in mine.transaction.locks where ahead[key] == mine.id { ahead[key] = nil } }
    let followers = mine.followers
    mine.followers = []
    for id in followers {
      guard let next = local[id], next.behind.remove(mine.id) != nil, next.behind.isEmpty else { continue }
      switch next.stage {
      case .following: end(next)
      case .writing, .prepared: remind(next)
      case .waiting, .asking, .ending, .held: break
      }
    }
  }
}

extension LocalTransaction {
  /// All of its resources have been told to commit, for the first time.
  var mayBeFollowed: Bool {
    overlaps && decision?.outcome == .commit && heuristic == nil && !isLeftOut && failures == 0 && reminding.isEmpty
  }
  /// What becomes of it is known, and no more waits for the disk.
  var isSettled: Bool { stage == .ending || stage == .following }
}
