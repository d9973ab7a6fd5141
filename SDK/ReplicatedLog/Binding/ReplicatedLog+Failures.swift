internal import NodeKit

// Proposals and reads that come to nothing, and the words for it.
extension ReplicatedLog {
  func expire() {
    let now = context.now.nanoseconds
    for open in proposals.takeExpired(now) { fail(open, missing) }
    for read in reads.takeExpired(now) { tell(read.done, .failure(RoleError(.unavailable, "\(missing); try later"))) }
  }

  /// All that waits fails.
  func failOpen(_ why: String) {
    for open in proposals.takeAll() { fail(open, why) }
    for read in reads.takeAll() { tell(read.done, .failure(RoleError(.unavailable, "\(why); try later"))) }
  }

  private func fail(_ open: OpenProposals.Open, _ why: String) {
    let rest = open.isOut ? "it may have happened: look before you propose it again" : "it did not happen; try later"
    tell(open.done, .failure(RoleError(.unavailable, "\(why); \(rest)")))
  }

  var isNotLeader: String {
    let leads = leader.map { "member \($0) does; ask there" } ?? "nobody does now; try later"
    return "this node, \(context.nodeID), does not lead: \(leads)"
  }

  /// Why nothing gets on.
  var missing: String {
    if phase != .running { return "the log is not read yet" }
    if let trouble { return trouble }
    let down = members.filter { $0 != context.nodeID && !isUp($0) }
    if members.count - down.count < raft.settings.majority {
      return "no majority of the members \(Self.list(members)) is linked: \(Self.are(down)) down"
    }
    guard let leader = raft.leader else { return "the members \(Self.list(members)) have not agreed on a leader yet" }
    if down.contains(leader) { return "member \(leader), which leads, is down" }
    return "the leader, member \(leader), has not brought it to a majority of the members \(Self.list(members)) in time"
  }

  private static func are(_ members: [Int]) -> String {
    guard let last = members.last, members.count > 1 else { return "\(list(members)) is" }
    return "\(list(members.dropLast())) and \(last) are"
  }
}
