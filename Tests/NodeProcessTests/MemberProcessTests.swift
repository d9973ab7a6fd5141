import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// Members as operators run them, three from the shipped manifest, with a gateway in Python as it was before.
@Suite struct MemberProcessTests {
  let members = Members()
  private var machine: Machine { members.machine }

  @Test func threeMembersAndAnOldGatewayThatIsKilled() throws {
    let first = try members.oldGateway()
    let nodes = try (1...3).map { try members.start($0) }
    let there = try members.call(2, "wait_for_nodes", "3", "20")
    #expect(there["nodes"]?.array?.compactMap { $0["port"]?.int } == [7001, 7002, 7003], "\(there)")
    #expect(there["nodes"]?[2]?["labels"] == ["zone": "here"] && there["stale"] == false)
    #expect(try (1...3).map { try members.call($0, "is_bootstrap") } == [true, false, false])
    #expect(try members.call(1, "status")["follows_by"] == "asking")

    try members.eventually("all are in step") { try (1...3).allSatisfy { try members.ids($0) == [1, 2, 3] } }

    // The gateway dies: what is known stays, and is called stale.
    first.send(SIGKILL)
    #expect(first.end() == 128 + SIGKILL)
    try members.eventually("it is called stale") { try members.call(1, "nodes")["stale"] == true }
    #expect(try members.ids(1) == [1, 2, 3])
    let listed = try machine.json("--node", "member", "list")["roles"]?[0]
    #expect(listed?["health"] == "degraded", "\(listed ?? .null)")

    // Another knows nobody. Within two heartbeats all are there again, by themselves, and the cluster began but once.
    let second = try members.oldGateway()
    let back = try members.call(3, "wait_for_nodes", "3", "4")
    #expect(back["count"] == 3)
    try members.eventually("all are in step") { try (1...3).allSatisfy { try members.ids($0) == [1, 2, 3] } }
    #expect(try (1...3).map { try members.call($0, "is_bootstrap") } == [true, false, false])

    // Who goes says so; who is killed without a gateway still knows the others.
    nodes[1].send(SIGTERM)
    #expect(nodes[1].end() == 0)
    try members.eventually("it is missed at once") { try members.ids(1) == [1, 3] }
    usleep(1_200_000)
    second.send(SIGKILL)
    nodes[2].send(SIGKILL)
    #expect(nodes[2].end() == 128 + SIGKILL)
    _ = try members.start(3)
    try members.eventually("the disk is read") { try members.ids(3) == [1, 3] }
    #expect(try members.call(3, "nodes")["stale"] == true)
    let late = machine.hostctl("--node", "member-3", "call", "member", "wait_for_nodes", "3", "0.2")
    #expect(late.code == 1 && late.errors.contains("DEADLINE_EXCEEDED: after 0.2 s 2 of 3 nodes are there: 1 (127"))
    #expect(late.errors.contains("no gateway tells who is there now"), "\(late.errors)")
  }

  @Test func aSwapKeepsTheInstance() throws {
    let gateway = try members.oldGateway(timeout: 3)
    let node = try members.start(1)
    let before = try members.call(1, "status")
    // The same, but for a byte behind its end.
    let build = readFile("\(Place.products)/libmember.so", limit: 64 << 20) ?? []
    let written = writeFile(machine.path("libmember.so"), build + [0], mode: 0o755)
    try #require(written)
    let swapped = machine.hostctl("--node", "member", "swap", "member", machine.path("libmember.so"))
    #expect(swapped.code == 0 && node.errors.contains("swapped: 1.0.0, generation 2"), "\(swapped.all)\(node.errors)")
    let after = try members.call(1, "status")
    #expect(before["instance"]?.string?.utf8.count == 16 && after["instance"] == before["instance"])
    #expect(after["state"] == "joined" && node.errors.split(separator: "registered at ").count == 2, "\(node.errors)")
    usleep(4_000_000)
    #expect(try members.ids(1) == [1], "it beats on")
    // Started again it is another instance, whatever the one before has saved.
    #expect(machine.hostctl("--node", "member", "restart", "member").code == 0)
    try members.eventually("it is registered again") { try members.call(1, "status")["state"] == "joined" }
    let third = try members.call(1, "status")["instance"]
    node.send(SIGTERM)
    #expect(node.end() == 0)
    _ = try members.start(1)
    try members.eventually("it is registered again") { try members.call(1, "status")["state"] == "joined" }
    #expect(try Set([before["instance"], third, members.call(1, "status")["instance"]]).count == 3)
    #expect(gateway.endedAlready() == nil)
  }

  /// kill -9 of the gateway, and it is started again: nobody is lost, and all are in step within two heartbeats.
  @Test func threeMembersAndAGatewayThatIsKilled() throws {
    let first = try members.newGateway()
    let nodes = try (1...3).map { try members.start($0) }
    _ = try members.call(3, "wait_for_nodes", "3", "20")
    #expect(try members.call(1, "status")["follows_by"] == "watching")
    #expect(try members.call(1, "status")["heartbeat_interval_ms"] == 1_000, "as the gateway says")
    let first3 = try (1...3).map { try members.call($0, "status")["instance"]?.string }
    for _ in 1...2 {
      first.send(SIGKILL)
      _ = first.end()
      try members.eventually("it is called stale") { try members.call(2, "nodes")["stale"] == true }
      #expect(try members.ids(2) == [1, 2, 3])
      let again = try members.newGateway()
      let began = monotonicSeconds()
      try members.eventually("all are in step again") {
        try (1...3).allSatisfy { try members.call($0, "status")["in_step"] == true }
      }
      #expect(monotonicSeconds() - began < 2.5, "two heartbeats, and what it takes to ask")
      #expect(try (1...3).allSatisfy { try members.ids($0) == [1, 2, 3] })
      again.send(SIGKILL)
      _ = again.end()
    }
    // Its disk is lost too: all register again by themselves.
    run(["rm", "-rf", machine.path("gate")])
    let fresh = try members.newGateway()
    let began = monotonicSeconds()
    let listed: () throws -> Int? = {
      let answer = machine.hostctl("--node", "gate", "call", "gateway", "stats", "--json")
      guard answer.code == 0 else { return nil }
      return try JSON(parsing: answer.output)["value"]?["nodes"]?.int.map { Int($0) }
    }
    try members.eventually("all are there again") { try listed() == 3 }
    #expect(monotonicSeconds() - began < 2.5)
    try members.eventually("all are in step again") { try (1...3).allSatisfy { try members.ids($0) == [1, 2, 3] } }
    #expect(try (1...3).map { try members.call($0, "status")["instance"]?.string } == first3)
    for node in nodes { node.send(SIGTERM) }
    for node in nodes { #expect(node.end() == 0) }
    #expect(try listed() == 0, "who goes says so")
    fresh.send(SIGTERM)
    #expect(fresh.end() == 0)
  }

  /// Its watch never ends by itself, and the swap need not wait for it.
  @Test func aSwapDoesNotWaitForTheWatch() throws {
    let gateway = try members.newGateway()
    let node = try members.start(1)
    _ = try members.call(1, "wait_for_nodes", "1", "10")
    let build = readFile("\(Place.products)/libmember.so", limit: 64 << 20) ?? []
    let written = writeFile(machine.path("libmember.so"), build + [0], mode: 0o755)
    try #require(written)
    usleep(1_100_000)
    let swapped = machine.hostctl("--node", "member", "swap", "member", machine.path("libmember.so"))
    #expect(swapped.code == 0, "\(swapped.all)")
    let told = node.errors.split(separator: "after a pause of ").last?.prefix { $0.isNumber }
    let pause = try #require(told.flatMap { Int($0) }, "\(node.errors)")
    #expect(pause < 500_000, "in microseconds; a second is what open calls are given")
    try members.eventually("it watches on") { try members.call(1, "status")["in_step"] == true }
    #expect(gateway.endedAlready() == nil)
  }

  @Test func anIdThatIsTakenIsTold() throws {
    let gateway = try members.newGateway()
    _ = try members.start(1)
    _ = try members.call(1, "wait_for_nodes", "1", "10")
    let other = try members.start(
      2, ["roles.member.config.id=1", "roles.member.config.refused_retry_seconds=0.5"])
    try members.eventually("it is refused") { try members.call(2, "status")["state"] == "refused" }
    let listed = try machine.json("--node", "member-2", "list")["roles"]?[0]
    #expect(listed?["health"] == "failed", "\(listed ?? .null)")
    #expect(other.errors.contains("node id 1 is taken by another: "), "\(other.errors)")
    let left = machine.hostctl("--node", "member", "call", "member", "leave")
    #expect(left.code == 0, "\(left.all)")
    try members.eventually("then it is taken") { try members.call(2, "status")["state"] == "joined" }
    #expect(gateway.endedAlready() == nil)
  }

  private func monotonicSeconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
}
