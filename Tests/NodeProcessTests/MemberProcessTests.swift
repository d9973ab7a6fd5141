import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// Members as operators run them, three from the shipped manifest, with a gateway in Python as it was before.
@Suite struct MemberProcessTests {
  let machine = Machine()
  private let port = freePorts(1)[0]

  private func gateway(timeout: Double = 300) throws -> Child {
    let messages = machine.path("messages")
    if !machine.exists(messages) {
      _ = makeFolder(messages)
      let made = run([
        "protoc", "-I", "\(Place.repository)/SDK/proto", "--python_out=\(messages)", "gateway.proto",
      ])
      try #require(made.code == 0, "\(made.output)")
    }
    let gateway = machine.child(
      "/usr/bin/python3", ["\(Place.repository)/Tests/Interop/old_gateway.py", messages, "\(port)", "\(timeout)"])
    try gateway.saysOnOutput("serving")
    return gateway
  }

  /// Node `id` of the shipped manifest, with short times.
  private func member(_ id: Int, _ more: [String] = []) throws -> Child {
    let settings = [
      "plugins.folders=[\(Place.products), \(machine.folder)]", "listen.data.address=127.0.0.1:0", "node.state=\(machine.path("member"))",
      "roles.member.config.heartbeat_seconds=2", "roles.member.config.poll_seconds=0.3",
      "roles.member.config.retry_ms=200", "roles.member.config.stale_after_seconds=1",
    ]
    let node = machine.child(
      "\(Place.products)/nodehost",
      ["\(Place.repository)/manifests/gateway/member.yaml", "--instance", "\(id)"]
        + (settings + more).flatMap { ["--set", $0] }, environment: ["GATEWAY=127.0.0.1:\(port)"])
    try node.waits(for: "node: ready after")
    return node
  }

  private func name(_ id: Int) -> String { id == 1 ? "member" : "member-\(id)" }

  private func call(_ id: Int, _ words: String...) throws -> JSON {
    let result = machine.hostctl(["--node", name(id), "call", "member"] + words + ["--json"])
    try #require(result.code == 0, "\(result.all)")
    return try JSON(parsing: result.output)["value"] ?? .null
  }

  private func ids(_ id: Int) throws -> [Int64] {
    try call(id, "nodes")["nodes"]?.array?.compactMap { $0["id"]?.int } ?? []
  }

  private func eventually(_ what: String, place: SourceLocation = #_sourceLocation, _ body: () throws -> Bool) throws {
    for _ in 0..<(Child.patienceMilliseconds / 50) {
      if try body() { return }
      usleep(50_000)
    }
    Issue.record("\(what) never happened", sourceLocation: place)
  }

  @Test func threeMembersAndAnOldGatewayThatIsKilled() throws {
    let first = try gateway()
    let nodes = try (1...3).map { try member($0) }
    let there = try call(2, "wait_for_nodes", "3", "20")
    #expect(there["nodes"]?.array?.compactMap { $0["port"]?.int } == [7001, 7002, 7003], "\(there)")
    #expect(there["nodes"]?[2]?["labels"] == ["zone": "here"] && there["stale"] == false)
    #expect(try (1...3).map { try call($0, "is_bootstrap") } == [true, false, false])
    #expect(try call(1, "status")["follows_by"] == "asking")

    // The gateway dies: what is known stays, and is called stale.
    first.send(SIGKILL)
    #expect(first.end() == 128 + SIGKILL)
    try eventually("it is called stale") { try call(1, "nodes")["stale"] == true }
    #expect(try ids(1) == [1, 2, 3])
    let listed = try machine.json("--node", "member", "list")["roles"]?[0]
    #expect(listed?["health"] == "degraded", "\(listed ?? .null)")

    // Another knows nobody. Within two heartbeats all are there again, by themselves, and the cluster began but once.
    let second = try gateway()
    let back = try call(3, "wait_for_nodes", "3", "4")
    #expect(back["count"] == 3)
    try eventually("all are in step") { try (1...3).allSatisfy { try ids($0) == [1, 2, 3] } }
    #expect(try (1...3).map { try call($0, "is_bootstrap") } == [true, false, false])

    // Who goes says so; who is killed without a gateway still knows the others.
    nodes[1].send(SIGTERM)
    #expect(nodes[1].end() == 0)
    try eventually("it is missed at once") { try ids(1) == [1, 3] }
    usleep(1_200_000)
    second.send(SIGKILL)
    nodes[2].send(SIGKILL)
    #expect(nodes[2].end() == 128 + SIGKILL)
    _ = try member(3)
    try eventually("the disk is read") { try ids(3) == [1, 3] }
    #expect(try call(3, "nodes")["stale"] == true)
    let late = machine.hostctl("--node", "member-3", "call", "member", "wait_for_nodes", "3", "0.2")
    #expect(late.code == 1 && late.errors.contains("DEADLINE_EXCEEDED: after 0.2 s 2 of 3 nodes are there: 1 (127"))
    #expect(late.errors.contains("no gateway tells who is there now"), "\(late.errors)")
  }

  @Test func aSwapKeepsTheInstance() throws {
    let gateway = try gateway(timeout: 4)
    let node = try member(1)
    let before = try call(1, "status")
    // The same, but for a byte behind its end.
    let build = readFile("\(Place.products)/libmember.so", limit: 64 << 20) ?? []
    let written = writeFile(machine.path("libmember.so"), build + [0], mode: 0o755)
    try #require(written)
    let swapped = machine.hostctl("--node", "member", "swap", "member", machine.path("libmember.so"))
    #expect(swapped.code == 0 && node.errors.contains("swapped: 1.0.0, generation 2"), "\(swapped.all)\(node.errors)")
    let after = try call(1, "status")
    #expect(before["instance"]?.string?.utf8.count == 16 && after["instance"] == before["instance"])
    #expect(after["state"] == "joined" && node.errors.split(separator: "registered at ").count == 2, "\(node.errors)")
    usleep(5_000_000)
    #expect(try ids(1) == [1], "it beats on")
    node.send(SIGTERM)
    #expect(node.end() == 0 && gateway.endedAlready() == nil)
  }
}
