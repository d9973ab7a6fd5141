import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing
import TestPorts

/// Members as operators run them, from the shipped manifest but with short times, and gateways for them.
final class Members {
  let machine = Machine()
  let port = freePorts(1)[0]

  func oldGateway(timeout: Double = 300) throws -> Child {
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

  /// The role `gateway`, on a node of its own that keeps its state.
  func newGateway() throws -> Child {
    machine.write(
      "gateway.yaml",
      """
      nodehost: 1
      node: { id: 90, name: gate, address: 127.0.0.1, state: ./gate }
      listen: { data: { address: "127.0.0.1:\(port)" } }
      plugins: { folders: [\(Place.products)] }
      roles: [{ role: gateway, config: { heartbeat_interval_seconds: 1, node_timeout_seconds: 5 } }]

      """)
    return try machine.ready("gateway.yaml")
  }

  /// Node `id` of the shipped manifest, with short times.
  func start(_ id: Int, _ more: [String] = []) throws -> Child {
    let settings = [
      "plugins.folders=[\(Place.products), \(machine.folder)]", "listen.data.address=127.0.0.1:0",
      "node.state=\(machine.path("member"))",
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

  func call(_ id: Int, _ words: String...) throws -> JSON {
    let result = machine.hostctl(["--node", name(id), "call", "member"] + words + ["--json"])
    try #require(result.code == 0, "\(result.all)")
    return try JSON(parsing: result.output)["value"] ?? .null
  }

  func ids(_ id: Int) throws -> [Int64] {
    try call(id, "nodes")["nodes"]?.array?.compactMap { $0["id"]?.int } ?? []
  }

  func eventually(_ what: String, place: SourceLocation = #_sourceLocation, _ body: () throws -> Bool) throws {
    for _ in 0..<(Child.patienceMilliseconds / 50) {
      if try body() { return }
      usleep(50_000)
    }
    Issue.record("\(what) never happened", sourceLocation: place)
  }
}
