import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing
import TestPorts

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

  /// From the shipped manifests: a server with its gateway, a trainer with the engine, one with a program in Python.
  @Test func theEngineAndAProgramLearnOneModel() throws {
    // Three kinds of points, each around a place of its own.
    let rows = (0..<300).map { row in
      let kind = row % 3, noise = Double(row * 37 % 100) / 100 - 0.5
      return "\(kind == 0 ? 2 + noise : noise),\(kind == 1 ? 2 - noise : noise),\(kind == 2 ? 2 : noise),\(kind)"
    }
    machine.write("points.csv", "a,b,c,kind\n" + rows.joined(separator: "\n") + "\n")
    machine.write(
      "session.yaml",
      """
      session_config: { session_id: points }
      server_training_config: { num_training_rounds: 4, validation_dataset: points, least_updates: 2 }
      client_training_config: { model_id: linear, dataset: points, epochs: 4, batch_size: 16, learning_rate: 0.3 }
      model_config: { description: { input: [3], layers: [{ dense: 3 }] } }

      """)
    let ports = freePorts(4), data = "{points: {format: csv, path: \(machine.path("points.csv")), label: kind}}"
    func start(_ manifest: String, _ name: String, _ settings: [String]) throws {
      let common = ["plugins.folders=[\(Place.products)]", "node.name=\(name)", "node.state=\(machine.path(name))"]
      let node = machine.child(
        "\(Place.products)/nodehost",
        ["\(Place.repository)/manifests/flotilla/\(manifest).yaml"] + (common + settings).flatMap { ["--set", $0] })
      try node.waits(for: "node: ready after")
    }
    try start(
      "server", "server",
      [
        "listen.data.address=127.0.0.1:\(ports[0])", "listen.rest.address=127.0.0.1:\(ports[1])",
        "roles.flserver.config.data=\(data)",
      ])
    let program = "[/usr/bin/python3, -B, \(Place.repository)/SDK/python/examples/numpy_softmax.py]"
    for (place, engine) in [["engine=built-in"], ["engine=process", "program=\(program)"]].enumerated() {
      try start(
        "client", "trainer-\(place)",
        [
          "listen.data.address=127.0.0.1:\(ports[2 + place])", "roles.trainer.config.data=\(data)",
          "roles.member.config.gateways=[\":\(ports[0])\"]",
        ] + engine.map { "roles.trainer.config.\($0)" })
    }
    for _ in 0..<(Child.patienceMilliseconds / 50) {
      let known = machine.hostctl("--node", "server", "fl", "trainers").output
      if known.times("points 270") == 2 { break }
      usleep(50_000)
    }
    func status(_ node: String, _ role: String) throws -> JSON {
      try machine.json("--node", node, "call", role, "status")["value"] ?? .null
    }
    let began = machine.hostctl("--node", "server", "fl", "start", machine.path("session.yaml"), "--watch")
    #expect(began.code == 0 && began.all.contains("finished"), "\(began.all)")
    for place in 0...1 { #expect(try status("trainer-\(place)", "trainer")["trained"] == 4) }
    let accuracy = began.all.split(separator: "accuracy ").last?.prefix { $0.isNumber }
    #expect(accuracy.flatMap { Int($0) } ?? 0 > 90, "\(began.all)")
  }
}

extension String {
  /// How often it has this in it.
  fileprivate func times(_ part: String) -> Int {
    indices.count { self[$0...].hasPrefix(part) }
  }
}
