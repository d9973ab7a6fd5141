import Glibc
import HostCore
import NodeValues
import Testing

/// Nodes that live and cannot reach one another.
@Suite struct PartitionTests {
  @Test func linksAreCutAndHealed() throws {
    let cluster = Cluster()
    try cluster.start(1)
    try cluster.start(2, ["--dev"])
    try cluster.start(3)
    try cluster.awaitLinks([1, 2, 3])
    let refused = cluster.hostctl(1, "peers", "cut", "2")
    #expect(refused.code == 1 && refused.errors.contains("run it with --dev"), "\(refused.all)")
    #expect(cluster.hostctl(2, "peers", "cut", "9").errors.contains("no such node"))
    #expect(cluster.hostctl(2, "peers", "cut", "1").output == "the link to node 1 is cut\n")
    #expect(try cluster.peers(2)[1]?["cut"] == ["incoming", "outgoing"])
    try isPartition(cluster)
    #expect(try cluster.peers(2)[1]?["state"] == "cut")
    #expect(cluster.hostctl(2, "peers", "heal", "1").output == "the link to node 1 is healed\n")
    #expect(try cluster.peers(2)[1]?["cut"] == [])
    try isHealed(cluster)
  }

  /// The same by the network itself: each node in a namespace of its own, and the wire between two of them unplugged.
  @Test(.enabled(if: Wires.canBeMade, "network namespaces are for root"))
  func wiresAreUnplugged() throws {
    let cluster = Cluster(), wires = try Wires(cluster.machine)
    for id in 1...3 {
      try cluster.start(id, through: wires.inside(id)) { plan in
        plan.peers = Dictionary(uniqueKeysWithValues: (1...3).map { ($0, "\(Wires.address(of: $0, from: id)):6001") })
        plan.listens = "0.0.0.0:6001"
      }
    }
    try cluster.awaitLinks([1, 2, 3])
    #expect(cluster.flood(1, 2, count: 100) == 100)
    wires.set(1, 2, "down")
    try isPartition(cluster)
    wires.set(1, 2, "up")
    try isHealed(cluster)
    #expect(try cluster.seen(2, "disorder") == 0 && cluster.seen(2, "damaged") == 0)
  }

  /// 1 and 2 find out that they do not reach one another; 3 reaches both.
  private func isPartition(_ cluster: Cluster) throws {
    try cluster.eventually("both find out") { try !cluster.isUp(1, 2) && !cluster.isUp(2, 1) }
    #expect(try cluster.peers(1)[2]?["links"] == 1)
    #expect(cluster.hostctl(1, "peers").output.contains("note: node 2: "))
    #expect(cluster.flood(1, 2, count: 1) == 0)
    for (from, to) in [(1, 3), (2, 3), (3, 1), (3, 2)] {
      #expect(try cluster.isUp(from, to) && cluster.flood(from, to, count: 10) == 10)
    }
  }

  private func isHealed(_ cluster: Cluster) throws {
    try cluster.awaitLinks([1, 2, 3])
    #expect(try cluster.peers(1)[2]?["links"] == 2 && cluster.peers(1)[3]?["links"] == 1)
    let before = try cluster.seen(2, "messages") ?? 0
    #expect(cluster.flood(1, 2, count: 10) == 10)
    try cluster.eventually("messages come again") { try cluster.seen(2, "messages") == before + 10 }
    #expect(try cluster.seen(1, "downs") == 1 && cluster.seen(1, "ups") == 3 && cluster.seen(3, "downs") == 0)
  }
}
