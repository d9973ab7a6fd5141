import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// A trainer as operators run it, from the shipped manifest, with a server in Python.
@Suite struct TrainerProcessTests {
  private let machine = Machine()

  private func messages() throws -> String {
    let messages = machine.path("messages")
    _ = makeFolder(messages)
    let made = run(["protoc", "-I", "\(Place.repository)/SDK/proto", "--python_out=\(messages)", "trainer.proto"])
    try #require(made.code == 0, "\(made.output)")
    return messages
  }

  private func start(_ port: UInt16, _ more: [String]) throws -> Child {
    let settings =
      [
        "plugins.folders=[\(Place.products)]", "listen.data.address=127.0.0.1:\(port)",
        "node.state=\(machine.path("state"))", "roles.trainer.config.progress_ms=20",
      ] + more
    let node = machine.child(
      "\(Place.products)/nodehost",
      ["\(Place.repository)/manifests/flotilla/client.yaml"] + settings.flatMap { ["--set", $0] })
    try node.waits(for: "node: ready after")
    return node
  }

  @Test func aServerInPythonTrains() throws {
    let messages = try messages(), port = freePorts(1)[0]
    let node = try start(port, ["roles.trainer.config.data={digits: {format: synthetic, count: 500, noise: 0.2}}"])
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

  /// One that has ended, and that nobody has asked about, does not.
  private func runs(_ process: pid_t) -> Bool {
    let status = String(decoding: readFile("/proc/\(process)/stat", limit: 4096) ?? [], as: UTF8.self)
    let state = status.split(separator: ")").last?.first { $0 != " " }
    return state != nil && state != "Z" && state != "X"
  }

  /// A program that hangs is killed with its task, and so is what it has started; and it dies with the node.
  @Test func aProgramThatHangs() throws {
    let messages = try messages(), port = freePorts(1)[0]
    machine.write("hang.sh", "sleep 1000 &\necho $! $$ >> \(machine.path("pids"))\nwait\n")
    let node = try start(
      port,
      [
        "roles.trainer.config.engine=process", "roles.trainer.config.program=[/bin/sh, \(machine.path("hang.sh"))]",
        "roles.trainer.config.longest_seconds=1",
        "roles.trainer.config.data={digits: {format: program, samples: 5}}",
      ])
    let server = machine.child(
      "/usr/bin/python3",
      ["\(Place.repository)/Tests/Interop/trainer.py", messages, "127.0.0.1:\(port)", "hangs"])
    try server.saysOnOutput("under way")
    let processes = machine.text("pids").split(whereSeparator: { $0 == " " || $0 == "\n" }).compactMap { pid_t($0) }
    #expect(processes.count == 6)
    #expect(processes.prefix(4).allSatisfy { !runs($0) }, "those before have gone")
    #expect(processes.suffix(2).allSatisfy { runs($0) })
    node.send(SIGKILL)
    #expect(node.end() == 128 + SIGKILL)
    #expect(server.end() == 0 && server.output.contains(" checks"), "\(server.output)\(server.errors)")
    let leader = try #require(processes.last)
    for _ in 0..<100 where runs(leader) { usleep(20_000) }
    #expect(!runs(leader))
    // What it had started is not the node's any more; a program that starts others sees to their end.
    kill(processes[4], SIGKILL)
  }
}
