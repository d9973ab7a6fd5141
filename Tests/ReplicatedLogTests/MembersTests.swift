import NodeTesting
import ReplicatedLog
import Testing

/// Three members on a network.
@Suite struct MembersTests {
  @Test func threeAgree() throws {
    let cluster = try Cluster(3)
    let leader = try cluster.leader()
    #expect(try cluster.call(leader, "add", "a", 3) == 3)
    #expect(try cluster.call(leader % 3 + 1, "add", "a", 4) == 7)
    for node in 1...3 { #expect(try cluster.call(node, "sum", "a") == 7) }
    #expect(cluster.hosts.values.allSatisfy { $0.misuse.isEmpty })
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
  }
}
