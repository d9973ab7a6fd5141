import Glibc
import HostRuntime
import NodeValues
import Testing
import TestPorts

/// The role flotilla with a real MQTT broker, and Flotilla's own programs as a script plays them.
@Suite(.serialized) struct FlotillaProcessTests {
  let machine = Machine()
  let port = Int(freePorts(1)[0])
  private var peers: String { "\(Place.repository)/Tests/Interop/flotilla_peers.py" }

  private func broker(_ more: String = "allow_anonymous true") throws -> Child {
    machine.write("broker.conf", "listener \(port) 127.0.0.1\npersistence false\nuser root\n\(more)\n")
    let broker = machine.child("/usr/sbin/mosquitto", ["-c", machine.path("broker.conf")])
    try broker.waits(for: "running")
    return broker
  }

  private func python(_ words: String...) -> Child { machine.child("/usr/bin/python3", [peers] + words) }

  private func node(_ name: String, _ config: String) throws -> Child {
    _ = makeFolder(machine.path("plugins"))
    machine.manifest(
      [
        "role: flotilla, config: { broker: \"127.0.0.1:\(port)\", retry_ms: 50, longest_retry_seconds: 0.2, \(config) }"
      ],
      named: "\(name).yaml", node: name, state: name,
      plugins: "folders: [\(Place.products), ./plugins], hot_swap: on")
    return try machine.ready("\(name).yaml")
  }

  private func server(_ more: String = "") throws -> Child {
    try node("server", "heartbeat_interval_seconds: 0.2, max_heartbeat_miss_threshold: 4 \(more)")
  }

  private func call(_ node: String, _ words: String...) throws -> JSON {
    let result = machine.hostctl(["--node", node, "call", "flotilla"] + words + ["--json"])
    try #require(result.code == 0, "\(result.all)")
    return try JSON(parsing: result.output)["value"] ?? .null
  }

  private func names() throws -> [String] {
    try call("server", "nodes")["nodes"]?.array?.compactMap { $0["name"]?.string } ?? []
  }

  private func eventually(_ what: String, place: SourceLocation = #_sourceLocation, _ body: () throws -> Bool) throws {
    for _ in 0..<(Child.patienceMilliseconds / 50) {
      if try body() { return }
      usleep(50_000)
    }
    Issue.record("\(what) never happened", sourceLocation: place)
  }

  /// Its announcement is understood, and it is missed, and it comes back.
  @Test func anOriginalClientIsListed() throws {
    let broker = try broker()
    let server = try server(", bridges: { pi_2: \"10.0.0.9:6000\" }")
    let first = python("client", "\(port)", "3f2a9c01-77aa", "pi_1", "10.0.0.7:50053")
    let second = python("client", "\(port)", "4e000000-77aa", "pi_2", "10.0.0.8:50053")
    try eventually("both are listed") { try names() == ["pi_1-3f2a9c01", "pi_2-4e000000"] }
    let listed = try call("server", "nodes")
    #expect(listed["stale"] == false && listed["age_ms"] == 0 && listed["count"] == 2)
    let node = listed["nodes"]?[0]
    #expect(node?["capabilities"] == ["flotilla-client"] && node?["address"] == "10.0.0.7", "\(node ?? .null)")
    #expect(node?["data_sets"] == ["MNIST"] && node?["models"] == ["LeNet5"] && node?["hardware"]?["cores"] == 4)
    #expect(server.errors.contains("pi_1-3f2a9c01 cannot train: it is an original client"), "\(server.errors)")
    let able = try call("server", "find", #"{"capabilities": ["trainer"]}"#)["nodes"]
    #expect(able?.array?.map { $0["address"] } == ["10.0.0.9"], "by its bridge")

    first.send(SIGSTOP)
    try eventually("it is missed") { try names() == ["pi_2-4e000000"] }
    first.send(SIGCONT)
    try eventually("a heartbeat brings it back") { try names().count == 2 }

    // Who sends nonsense is told of now and then, and harms nobody.
    let stranger = python("nonsense", "\(port)", "40")
    #expect(stranger.end() == 0, "\(stranger.errors)")
    #expect(try names().count == 2)
    let refused = server.errors.split(separator: "is refused:", omittingEmptySubsequences: false).count - 1
    #expect((1...4).contains(refused), "\(server.errors)")

    // A new build knows them at once.
    let build = readFile("\(Place.products)/libflotilla.so", limit: 64 << 20) ?? []
    try #require(writeFile(machine.path("plugins/libflotilla.so"), build + [0], mode: 0o755))
    let swapped = machine.hostctl("--node", "server", "swap", "flotilla", machine.path("plugins/libflotilla.so"))
    #expect(swapped.code == 0, "\(swapped.all)")
    #expect(try names().count == 2)
    try eventually("it is connected again") { try call("server", "status")["connected"] == true }

    // Without a broker the list stays, and is called stale.
    broker.send(SIGKILL)
    _ = broker.end()
    try eventually("it is called stale") { try call("server", "nodes")["stale"] == true }
    usleep(1_500_000)
    #expect(try names().count == 2)
    let again = try self.broker()
    try eventually("all is well again") { try call("server", "nodes")["stale"] == false }
    usleep(700_000)
    #expect(try names().count == 2, "their own library has connected again, or has the time to")
    _ = (second, again)
  }

  /// Our own trainers, to our own server and to an original one.
  @Test func aTrainerAnnouncesItself() throws {
    let broker = try broker()
    let trainer = python("trainer")
    try trainer.saysOnOutput("!")
    let words = trainer.output.split(separator: " ")
    let served = try #require(words.count > 1 ? Int(words[1]) : nil, "\(trainer.output)")
    let server = try server()
    let client = try node("ada", "side: client, port: \(served)")
    try eventually("it is listed") { try names() == ["ada"] }
    let node = try call("server", "nodes")["nodes"]?[0]
    #expect(node?["capabilities"] == ["trainer"] && node?["address"] == "127.0.0.1", "\(node ?? .null)")
    #expect(node?["port"]?.int == Int64(served) && node?["data_sets"] == ["digits"] && node?["models"] == ["lenet5"])
    #expect(try call("ada", "status")["data_sets"] == ["digits"])
    let asked = machine.hostctl("--node", "ada", "call", "flotilla", "nodes")
    #expect(asked.code == 1 && asked.all.contains("this role is a client"), "\(asked.all)")

    // Killed, it is missed; started again, it is back.
    client.send(SIGKILL)
    try eventually("it is missed") { try names().isEmpty }
    _ = client.end()
    let next = try self.node("ada", "side: client, port: \(served)")
    try eventually("it is back") { try names() == ["ada"] }

    // A server of Flotilla's own instead: it reads all that it wants of the announcement.
    server.send(SIGTERM)
    #expect(server.end() == 0)
    let original = python("server", "\(port)", "0.1")
    try original.saysOnOutput("client ada [\"ada\", \"127.0.0.1:\(served)\", {}, ")
    try original.saysOnOutput("five heartbeats of ada")
    next.send(SIGTERM)
    #expect(next.end() == 0)
    for node in [server, next] { #expect(!node.errors.contains("misuse"), "\(node.errors)") }
    _ = broker
  }

  /// Weights as pickles on one side and safetensors on the other, between programs in Python.
  @Test func anOriginalClientTrainsByTheBridge() {
    let test = machine.child(
      "/usr/bin/python3", ["\(Place.repository)/Tests/Interop/flotilla_bridge.py", Place.repository])
    #expect(test.end() == 0, "\(test.output)\(test.errors)")
    #expect(test.output.contains("checks passed"))
  }

  @Test func aBrokerMayAskForAPassword() throws {
    let made = run(["mosquitto_passwd", "-c", "-b", machine.path("words"), "node", "secret word"])
    try #require(made.code == 0, "\(made.output)")
    let broker = try broker("allow_anonymous false\npassword_file \(machine.path("words"))")
    let refused = try node("server", "password: no, username: node")
    try refused.waits(for: "the broker refuses: Not authorized")
    refused.send(SIGTERM)
    #expect(refused.end() == 0)
    let taken = try node("server", "password: secret word, username: node, mqtt: \"3.1.1\"")
    try taken.waits(for: "connected with the MQTT broker")
    let health = try machine.json("--node", "server", "list")["roles"]?[0]?["health"]
    #expect(health == "ok")
    _ = broker
  }
}
