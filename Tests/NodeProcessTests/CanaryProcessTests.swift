import Glibc
import HostRuntime
import NodeValues
import Testing
import TestPorts

/// Three canary routers as processes of their own, from the shipped manifests.
@Suite(.serialized) struct CanaryProcessTests {
  let machine = Machine()
  let ports = freePorts(6)
  private var clients: String { "\(Place.repository)/Tests/Interop/canary_clients.py" }
  private var data: [String] { ports[..<3].map { "\($0)" } }

  private func start(_ place: Int) throws -> Child {
    let name = ["node-a", "node-b", "node-c"][place]
    let peers = (0..<3).map { "\($0 + 1): \"127.0.0.1:\(ports[3 + $0])\"" }.joined(separator: ", ")
    let settings = [
      "plugins.folders=[\(machine.folder)]", "plugins.hot_swap=on", "listen.data.address=127.0.0.1:\(ports[place])",
      "listen.peers.address=127.0.0.1:\(ports[3 + place])", "cluster.peers={\(peers)}",
      "node.state=\(machine.folder)/state-\(name)",
    ]
    let node = machine.child(
      "\(Place.products)/nodehost",
      ["\(Place.repository)/manifests/canary/\(name).yaml"] + settings.flatMap { ["--set", $0] })
    try node.waits(for: "node: ready after")
    return node
  }

  private func startAll() throws -> [Child] {
    // Copies, so that a swap finds a build that is not the tests' own.
    for role in ["elector", "coordinator", "canary"] {
      let (code, output) = run(["cp", "\(Place.products)/lib\(role).so", machine.folder])
      #expect(code == 0, "\(output)")
    }
    let nodes = try (0..<3).map(start)
    for node in nodes { try node.waits(for: "Routing state updated: version 1") }
    return nodes
  }

  @discardableResult
  private func canary(_ words: String..., on node: String = "node-a") -> (code: Int32?, text: String) {
    let result = machine.hostctl(["--node", node, "canary"] + words)
    return (result.code, result.output + result.errors)
  }

  @Test func thePublishedQueriesAreAnswered() throws {
    let nodes = try startAll()
    let (code, output) = run(["timeout", "60", "/usr/bin/python3", clients, "query"] + data)
    #expect(code == 0 && output.contains("the same state on 3 nodes"), "\(output)")
    let set = canary("set", "v1=70", "v2=30", "--sticky", "member:user", "--why", "a try")
    #expect(set.code == 0 && set.text.contains("v1 70 %, v2 30 %"), "\(set.text)")
    #expect(canary("history", on: "node-c").text.contains("a try"))
    #expect(canary("status", on: "node-b").text.contains("state "))
    let refused = canary("set", "v1=70", "v3=30")
    #expect(refused.code == 1 && refused.text.contains("/weights/v3: no version has the id `v3`"), "\(refused.text)")
    #expect(canary("start", "v2", "--every", "soon").code == 64)

    // One node is killed, the others go on; it comes back with what was committed, and learns the rest.
    nodes[2].send(SIGKILL)
    _ = nodes[2].end()
    var changed = canary("set", "v1=60", "v2=40")
    for _ in 0..<20 where changed.code != 0 {
      usleep(200_000)
      changed = canary("set", "v1=60", "v2=40")
    }
    #expect(changed.code == 0, "\(changed.text)")
    let again = try start(2)
    try again.waits(for: "v1 60 %, v2 40 %")
    usleep(300_000)
    let (same, words) = run(["timeout", "60", "/usr/bin/python3", clients, "query"] + data)
    #expect(same == 0, "\(words)")
    for node in [nodes[0], nodes[1], again] { #expect(!node.errors.contains("misuse"), "\(node.errors)") }
  }

  /// Shares change, the manifest is read again and the role gets another build, and no request notices.
  @Test func nothingIsLostUnderLoad() throws {
    let nodes = try startAll()
    let seconds = wantsLongTests ? 60 : 5
    let load = machine.child("/usr/bin/python3", [clients, "load", "\(seconds)"] + data)
    let end = EventLoop.now() + Int64(seconds) * 1_000_000_000 - 1_000_000_000
    var share = 0
    while EventLoop.now() < end {
      share = (share + 7) % 100
      _ = canary("set", "v1=\(100 - share)", "v2=\(share)")
      nodes[share % 3].send(SIGHUP)
      let swapped = machine.hostctl("--node", "node-\(["a", "b", "c"][share % 3])", "swap", "canary")
      #expect(swapped.code == 0, "\(swapped.errors)")
      usleep(100_000)
    }
    #expect(load.end() == 0, "\(load.output)\(load.errors)")
    #expect(load.output.contains(" 0 failed"))
    for node in nodes { #expect(!node.errors.contains("misuse"), "\(node.errors)") }
  }

  /// A good version comes to its end, and a bad one is rolled back.
  @Test(.enabled(if: wantsLongTests)) func theDemoRuns() {
    let (code, output) = run([
      "timeout", "300", "/usr/bin/python3", "\(Place.repository)/Plugins/canary/demo", "--products", Place.products,
      "--ports", "51850", "--every", "2s",
    ])
    #expect(code == 0, "\(output)")
  }
}
