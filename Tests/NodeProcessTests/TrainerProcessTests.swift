import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// A trainer as operators run it, from the shipped manifest, with a server in Python.
@Suite struct TrainerProcessTests {
  private let machine = Machine()

  @Test func aServerInPythonTrains() throws {
    let messages = machine.path("messages")
    _ = makeFolder(messages)
    let made = run(["protoc", "-I", "\(Place.repository)/SDK/proto", "--python_out=\(messages)", "trainer.proto"])
    try #require(made.code == 0, "\(made.output)")
    let port = freePorts(1)[0]
    let settings = [
      "plugins.folders=[\(Place.products)]", "listen.data.address=127.0.0.1:\(port)",
      "node.state=\(machine.path("state"))", "roles.trainer.config.progress_ms=20",
      "roles.trainer.config.data={digits: {format: synthetic, count: 500, noise: 0.2}}",
    ]
    let node = machine.child(
      "\(Place.products)/nodehost",
      ["\(Place.repository)/manifests/flotilla/client.yaml"] + settings.flatMap { ["--set", $0] })
    try node.waits(for: "node: ready after")
    #expect(node.errors.contains("member: others reach this node at 127.0.0.1:\(port)"), "\(node.errors)")
    let (code, output) = run([
      "/usr/bin/python3", "\(Place.repository)/Tests/Interop/trainer.py", messages, "127.0.0.1:\(port)",
    ])
    #expect(code == 0 && output.contains(" checks"), "\(output)\(node.errors)")
    let status = try machine.json("--node", "trainer", "call", "trainer", "status")["value"]
    #expect(status?["trained"] == 5 && status?["tried"] == 1 && status?["failed"] == 1, "\(status ?? .null)")
    node.send(SIGTERM)
    #expect(node.end() == 0)
  }
}
