import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// Linked nodes, and what becomes of their links when nodes die, come back and are told of others.
@Suite struct PeersProcessTests {
  let cluster = Cluster()
  private var machine: Machine { cluster.machine }

  @Test func theKeyIsForNobodyElseAndIsNotOverwritten() throws {
    var status = stat()
    #expect(stat(machine.path("cluster.key"), &status) == 0 && status.st_mode & 0o777 == 0o600)
    #expect(machine.text("cluster.key").utf8.count == 45, "32 bytes in base64 and a line feed")
    let again = machine.hostctl("key", "new")
    #expect(again.code == 1 && again.errors.contains("cannot write cluster.key: File exists"), "\(again.all)")
    let other = machine.hostctl("key", "new", "other.key")
    #expect(other.output.contains("${file:./other.key}") && machine.text("other.key") != machine.text("cluster.key"))
    #expect(machine.hostctl("key", "old").code == 64)
  }

  @Test func threeNodesAndAKill() throws {
    let nodes = try (1...3).map { try cluster.start($0) }
    try cluster.awaitLinks([1, 2, 3])
    #expect(cluster.flood(1, 2, count: 500) == 500)
    try cluster.eventually("they have come") { try cluster.seen(2, "messages") == 500 }
    #expect(try cluster.seen(2, "disorder") == 0)

    let table = cluster.hostctl(1, "peers")
    let lines = table.output.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
    #expect(lines.first?.prefix(5) == ["ID", "NODE", "ADDRESS", "STATE", "SINCE"], "\(table.all)")
    #expect(
      lines.dropFirst().map { Array($0.prefix(4)) } == [
        ["2", "node-2", cluster.address(2), "up"], ["3", "node-3", cluster.address(3), "up"],
      ], "\(table.all)")
    let metrics = cluster.hostctl(1, "metrics").output
    #expect(metrics.contains("nodehost_peer_up{node=\"node-1\",peer=\"2\"} 1"), "\(metrics)")

    nodes[1].send(SIGKILL)
    #expect(nodes[1].end() == 128 + SIGKILL)
    try cluster.eventually("it is missed") { try !cluster.isUp(1, 2) && !cluster.isUp(3, 2) }
    #expect(try cluster.isUp(1, 3))
    #expect(cluster.flood(1, 2, count: 1) == 0)
    let again = try cluster.start(2)
    try cluster.awaitLinks([1, 2, 3])
    #expect(try cluster.peers(1)[2]?["links"] == 2 && cluster.peers(1)[3]?["links"] == 1)
    try cluster.eventually("the roles know it") {
      try cluster.seen(1, "ups") == 3 && cluster.seen(1, "downs") == 1 && cluster.seen(3, "downs") == 1
    }
    for node in [nodes[0], again, nodes[2]] { node.send(SIGTERM) }
    #expect(nodes[0].end() == 0 && again.end() == 0 && nodes[2].end() == 0)
  }

  /// Every node sends to every other while one after the other is killed. Between those that live nothing is lost, and
  /// wherever a link is up messages come in order, whole, and once.
  @Test func killsUnderLoad() throws {
    var nodes = Dictionary(uniqueKeysWithValues: try (1...3).map { ($0, try cluster.start($0)) })
    try cluster.awaitLinks([1, 2, 3])
    for victim in [2, 1] {
      let others = [1, 2, 3].filter { $0 != victim }
      let arrived = try cluster.peers(others[1])[others[0]]?["messages_received"]?.int ?? 0
      let floods = [1, 2, 3].flatMap { from in [1, 2, 3].filter { $0 != from }.map { (from, $0, flooding(from, $0)) } }
      usleep(30_000)
      nodes[victim]?.send(SIGKILL)
      #expect(nodes[victim]?.end() == 128 + SIGKILL)
      let taken = floods.map { ($0.0, $0.1, $0.2.end() == 0 ? Int64($0.2.output.dropLast()) ?? 0 : 0) }
      let between = taken.first { $0.0 == others[0] && $0.1 == others[1] }?.2 ?? 0
      #expect(between == 20_000, "\(others.map { nodes[$0]!.errors })")
      try cluster.eventually("nothing is lost between the others") {
        try cluster.peers(others[1])[others[0]]?["messages_received"]?.int == arrived + between
      }
      nodes[victim] = try cluster.start(victim)
      try cluster.awaitLinks([1, 2, 3])
      for id in 1...3 {
        #expect(try cluster.seen(id, "disorder") == 0 && cluster.seen(id, "damaged") == 0, "node \(id)")
      }
    }
  }

  private func flooding(_ from: Int, _ to: Int) -> Child {
    machine.child(
      "\(Place.products)/hostctl",
      ["--node", "node-\(from)", "call", "mail", "flood", "\(to)", "", "1", "20000", "200"])
  }

  @Test func aRoleOfAnotherNodeIsCalledOverTheLink() throws {
    try cluster.start(1)
    let other = try cluster.start(2)
    try cluster.eventually("they are linked") { try cluster.isUp(1, 2) }
    #expect(cluster.hostctl(1, "call", "--on", "node-2", "mail", "twice", "21").output == "42\n")
    #expect(cluster.hostctl(1, "call", "--on", "node-1", "mail", "twice", "4").output == "8\n")
    let reply = try machine.json("--node", "node-1", "call", "--on", "node-2", "mail", "seen")
    #expect(reply["type"]?.string == "json" && reply["value"]?["messages"] == 0, "\(reply)")
    for (words, complaint) in [
      (["node-2", "mail", "twice", "x"], "parameter `number` (int): \"x\" is not"),
      (["node-2", "mail", "twice"], "twice takes 1 argument (number: int), got 0"),
      (["node-2", "mail", "thrice"], "mail has no method `thrice`; did you mean `twice`?"),
      (["node-2", "male", "twice", "1"], "no role is named `male` or provides it"),
      (["node-9", "mail", "twice", "1"], "no link to a node `node-9`"),
      (["node-2", "mail"] + Array(repeating: "1", count: 18), "no method takes more than 16 arguments"),
    ] {
      let refused = machine.hostctl(["--node", "node-1", "call", "--on"] + words)
      #expect(refused.code == 1 && refused.errors.contains(complaint), "\(words): \(refused.all)")
    }
    let late = cluster.hostctl(1, "call", "--timeout", "100", "--on", "node-2", "mail", "never", "1")
    #expect(late.code == 1 && late.errors.contains("did not answer in time"), "\(late.all)")
    #expect(try cluster.peers(1)[2]?["links"] == 1, "no error costs the link")

    let open = machine.child(
      "\(Place.products)/hostctl", ["--node", "node-1", "call", "--on", "node-2", "mail", "never", "1"])
    usleep(300_000)
    other.send(SIGKILL)
    #expect(open.end() == 1)
    #expect(open.errors.contains("the link to node 2 broke; it may or may not have done what was asked"))
  }

  @Test func peersChangeAtAReload() throws {
    for id in 1...3 { try cluster.start(id) }
    try cluster.awaitLinks([1, 2, 3])
    var plan = Cluster.Plan(1, in: cluster)
    plan.peers[3] = nil
    cluster.write(plan)
    #expect(try machine.json("--node", "node-1", "reload")["needs_node_restart"] == [])
    try cluster.eventually("only 2 is left") { try cluster.peers(1).keys.sorted() == [2] }
    let words = "node 1 no longer has node 3 among its cluster.peers"
    try cluster.eventually("3 is told why") { try cluster.peers(3)[1]?["last_error"]?.string?.isEmpty == false }
    #expect(machine.text("nodehost-3.err").contains(words), "\(machine.text("nodehost-3.err"))")
    #expect(try cluster.peers(3)[2]?["links"] == 1 && cluster.peers(1)[2]?["links"] == 1)

    cluster.write(Cluster.Plan(1, in: cluster))
    #expect(cluster.hostctl(1, "reload").code == 0)
    try cluster.awaitLinks([1, 2, 3])
    #expect(try cluster.peers(1)[2]?["links"] == 1, "what did not change stays up")
    #expect(cluster.flood(1, 3, count: 10) == 10)
    try cluster.eventually("they have come") { try cluster.seen(3, "messages") == 10 }
  }

  @Test func aPortThatIsTakenIsNamed() throws {
    let first = try cluster.start(1)
    var plan = Cluster.Plan(2, in: cluster)
    plan.listens = cluster.address(1)
    cluster.write(plan)
    let second = machine.nodehost("node-2.yaml")
    #expect(second.code == 1)
    #expect(
      second.errors
        == "nodehost: links to other nodes: cannot listen at \(cluster.address(1)): Address already in use; "
        + "see cluster and listen.peers in the manifest\n", "\(second.errors)")
    first.send(SIGTERM)
    #expect(first.end() == 0)
  }
}
