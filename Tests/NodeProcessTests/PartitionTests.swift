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

/// Three network namespaces with a wire between each two. They end with the processes that hold them.
private final class Wires {
  private let holders: [Child]

  static let canBeMade: Bool = {
    let tries = "command -v nsenter && unshare -n ip link add one type veth peer name other"
    return getuid() == 0 && run(["sh", "-c", tries]).code == 0
  }()

  init(_ machine: Machine) throws {
    holders = (1...3).map { _ in machine.child("/usr/bin/unshare", ["-n", "sleep", "600"]) }
    // Until it has left for its own namespace, it is in this one.
    for holder in holders {
      for _ in 0..<1_000 where Self.namespace(holder.process) == Self.namespace(getpid()) { usleep(5_000) }
    }
    for (one, other) in [(1, 2), (1, 3), (2, 3)] {
      script(one, "ip link add to-\(other) type veth peer name to-\(one) netns \(holders[other - 1].process)")
      for (here, there) in [(one, other), (other, one)] {
        script(
          here,
          "ip address add \(Self.address(of: here, from: there))/24 dev to-\(there); ip link set to-\(there) up")
      }
    }
    for id in 1...3 { script(id, "ip link set lo up") }
  }

  /// Each pair has a network of its own.
  static func address(of id: Int, from other: Int) -> String {
    id == other ? "127.0.0.1" : "10.77.\(min(id, other))\(max(id, other)).\(id)"
  }

  func inside(_ id: Int) -> [String] { ["/usr/bin/nsenter", "-n", "-t", "\(holders[id - 1].process)"] }

  func set(_ one: Int, _ other: Int, _ state: String) { script(one, "ip link set to-\(other) \(state)") }

  private func script(_ id: Int, _ text: String) {
    let (code, output) = run(inside(id) + ["sh", "-ec", text])
    precondition(code == 0, "\(text): \(output)")
  }

  private static func namespace(_ process: pid_t) -> String { run(["readlink", "/proc/\(process)/ns/net"]).output }
}
