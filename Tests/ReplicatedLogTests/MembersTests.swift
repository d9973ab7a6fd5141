import NodeTesting
import ReplicatedLog
import Testing

/// Several members on a network.
@Suite struct MembersTests {
  @Test func threeAgree() throws {
    let cluster = try Cluster(3)
    let leader = try cluster.leader()
    #expect(try cluster.call(leader, "add", "a", 3) == 3)
    #expect(try cluster.call(leader % 3 + 1, "add", "a", 4) == 7)
    for node in 1...3 { #expect(try cluster.call(node, "sum", "a") == 7) }
    #expect(cluster.misuse == [])
  }

  @Test func oneMayDie() throws {
    let cluster = try Cluster(3)
    let leader = try cluster.leader()
    #expect(try cluster.call(leader, "add", "a", 3) == 3)
    cluster.crash(leader)
    let next = leader % 3 + 1
    #expect(try cluster.call(next, "add", "a", 4) == 7)
    try cluster.restart(leader)
    #expect(try cluster.call(leader, "sum", "a") == 7)
    #expect(cluster.misuse == [])
  }

  /// The first second is what users wait for.
  @Test func aLeaderIsThereWithinASecond() throws {
    for seed in 1...20 as ClosedRange<UInt64> {
      let cluster = try Cluster(5, seed: seed)
      let first = try cluster.leader(within: .milliseconds(1_500))
      cluster.crash(first)
      _ = try cluster.leader(within: .milliseconds(1_500))
    }
  }

  /// A proposal on a member whose leader dies goes to the next leader, and happens once.
  @Test func aProposalOutlivesItsLeader() throws {
    for wait in stride(from: 0, through: 6, by: 1) {
      let cluster = try Cluster(3)
      let leader = try cluster.leader(), other = leader % 3 + 1
      #expect(try cluster.call(other, "add", "a", 1) == 1)
      let pending = try cluster.begin(other, "add", "a", 10)
      cluster.network.advance(by: .milliseconds(wait))
      cluster.crash(leader)
      #expect(try cluster.end(pending) == 11, "after \(wait) ms")
      #expect(try cluster.call(other, "sum", "a") == 11, "after \(wait) ms")
    }
  }

  /// Links lose nothing while they are up; the log stands it nevertheless.
  @Test func lostMessagesAreSentAgain() throws {
    let cluster = try Cluster(3)
    let leader = try cluster.leader()
    cluster.network.lossPerMille = 100
    for amount in 1...20 { _ = try cluster.call((leader + amount) % 3 + 1, "add", "a", amount) }
    cluster.network.lossPerMille = 0
    #expect(try cluster.call(leader, "sum", "a") == 210)
    #expect(cluster.network.lost > 10)
  }

  @Test func whoIsFarBehindGetsTheSnapshot() throws {
    let cluster = try Cluster(3, snapshotEntries: 10)
    let leader = try cluster.leader(), away = leader % 3 + 1
    #expect(try cluster.call(away, "add", "a", 1) == 1)
    cluster.crash(away)
    for _ in 1...60 { _ = try cluster.call(leader, "add", "a", 1) }
    try cluster.restart(away)
    #expect(try cluster.call(away, "sum", "a") == 61)
    #expect(try cluster.role(away).sums.applied < 30, "it did not get them one by one")
    // And it is on its disk.
    cluster.crash(away)
    try cluster.restart(away)
    #expect(try cluster.call(away, "add", "a", 1) == 62)
    #expect(cluster.misuse == [])
  }

  @Test func aPlannedStopHandsOverAtOnce() throws {
    let cluster = try Cluster(3)
    let leader = try cluster.leader()
    #expect(try cluster.call(leader, "add", "a", 1) == 1)
    try cluster.role(leader).log.transferLeadership()
    cluster.network.advance(by: .milliseconds(20))
    #expect(try !cluster.role(leader).log.isLeader)
    #expect(try cluster.leader(within: .milliseconds(1)) != leader)
    #expect(try cluster.call(leader, "add", "a", 1) == 2)
  }

  @Test func aSwapHandsOverToo() throws {
    let cluster = try Cluster(3)
    let leader = try cluster.leader()
    #expect(try cluster.call(leader, "add", "a", 1) == 1)
    try cluster.swap(leader)
    cluster.network.advance(by: .milliseconds(50))
    #expect(try cluster.leader(within: .milliseconds(1)) != leader)
    #expect(try cluster.call(leader, "add", "a", 1) == 2)
    #expect(cluster.misuse == [])
  }

  /// A build that comes back because its successor failed believes the store, not itself.
  @Test func aBuildThatComesBackReadsTheStore() throws {
    let host = try FakeHost(Ledger.self)
    try host.start()
    #expect(try host.call("add", "a", 1) as Int == 1)
    _ = try host.save()
    let next = try FakeHost(Ledger.self)
    next.store = host.store
    try next.start()
    #expect(try next.call("add", "a", 2) as Int == 3)
    next.destroy()
    #expect(try host.call("add", "a", 4) as Int == 7)
    #expect(try host.call("sum", "a") as Int == 7)
  }

  /// The same if nobody told it: its commits are refused, since another has written.
  @Test func twoBuildsNeverWriteToOneLog() throws {
    let host = try FakeHost(Ledger.self)
    try host.start()
    #expect(try host.call("add", "a", 1) as Int == 1)
    let next = try FakeHost(Ledger.self)
    next.store = host.store
    try next.start()
    #expect(try next.call("add", "a", 2) as Int == 3)
    next.destroy()
    let error = #expect(throws: RoleError.self) { try host.call("add", "a", 4) as Int }
    #expect(error?.message == "the role was swapped; it may have happened: look before you propose it again")
    #expect(try host.call("add", "a", 8) as Int == 11)
  }

  @Test func followersReadAfterAPartition() throws {
    let cluster = try Cluster(3)
    let old = try cluster.leader(), others = [1, 2, 3].filter { $0 != old }
    cluster.network.part([old], from: others)
    #expect(try cluster.call(others[0], "add", "a", 5) == 5)
    let stale = try cluster.begin(old, "sum", "a")
    cluster.network.heal([old], with: others)
    #expect(try cluster.end(stale) == 5)
  }
}
