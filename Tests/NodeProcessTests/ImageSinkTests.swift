import Glibc
import HostRuntime
import NodeValues
import Testing
import TestPorts

/// Three nodes that keep images, as processes of their own, from the shipped manifests.
@Suite(.serialized) struct ImageSinkTests {
  private static let rounds = wantsLongTests ? 200 : 5
  private static let key = "ENCRYPTION_KEY=" + String(repeating: "5c", count: 32)

  let machine = Machine()
  let ports = freePorts(6)
  private var clients: String { "\(Place.repository)/Tests/Interop/image_clients.py" }

  private func port(_ id: Int) -> String { "\(ports[id - 1])" }

  private func start(_ id: Int) throws -> Child {
    let peers = (1...3).map { "\"\($0)\": \"127.0.0.1:\(ports[$0 + 2])\"" }.joined(separator: ", ")
    let settings = [
      "plugins.folders=[\(Place.products)]", "listen.data.address=127.0.0.1:\(port(id))",
      "listen.peers.address=127.0.0.1:\(ports[id + 2])", "cluster.peers={\(peers)}", "cluster.peer_port_offset=0",
      "node.address=127.0.0.1", "roles.images.config.address=:\(port(id))", "blobs.free_floor_mb=0",
    ]
    let node = machine.child(
      "\(Place.products)/nodehost",
      ["\(Place.repository)/manifests/images/node-\(id).yaml"] + settings.flatMap { ["--set", $0] },
      environment: [Self.key, "SHARED_DIR=\(machine.folder)/state"])
    try node.waits(for: "node: ready after")
    return node
  }

  private func status(_ id: Int) -> JSON? {
    let result = machine.hostctl("--node", "images-\(id)", "call", "images", "status", "--json")
    guard result.code == 0, let json = try? JSON(parsing: result.output) else { return nil }
    return json["value"]
  }

  /// Who takes images, linked with both others.
  private func leader(linked: Int = 3, place: SourceLocation = #_sourceLocation) throws -> Int {
    let end = EventLoop.now() + Int64(Child.patienceMilliseconds) * 1_000_000
    while EventLoop.now() < end {
      for id in 1...3 {
        if let status = status(id), status["state"] == "leading", status["linked"]?.array?.count == linked { return id }
      }
      usleep(20_000)
    }
    throw Missing(description: "no node leads")
  }

  private struct Missing: Error, CustomStringConvertible { var description: String }

  @Test func whatWasAcknowledgedOutlivesEveryLeader() throws {
    var nodes = try Dictionary(uniqueKeysWithValues: (1...3).map { ($0, try start($0)) })
    _ = try leader()
    let python = ["/usr/bin/python3", clients]
    let load = machine.child("/usr/bin/python3", [clients, "load", machine.folder, "8"] + (1...3).map(port))
    for round in 0..<Self.rounds {
      let leader = try leader()
      usleep(UInt32(round * 7_919 % 97) * 3_000)
      nodes[leader]!.send(SIGKILL)
      #expect(nodes[leader]!.end() == 128 + SIGKILL)
      _ = try self.leader(linked: 2)
      nodes[leader] = try start(leader)
    }
    _ = try leader()
    machine.write("stop", "")
    #expect(load.end() == 0, "\(load.errors)")
    let (code, output) = run(["timeout", "300"] + python + ["verify", machine.folder] + (1...3).map(port))
    #expect(code == 0, "\(output)")
    print("image sink: \(Self.rounds) leaders killed; \(output)", terminator: "")
    for (id, node) in nodes { #expect(!node.errors.contains("misuse"), "node \(id): \(node.errors)") }
  }

  // MARK: Uploads on their way

  /// How many files of a node belong to uploads that are not whole.
  private func beginnings(_ id: Int) -> Int {
    run(["find", machine.path("state/node-\(id)/roles/images/blobs/uploads"), "-type", "f"]).output
      .split(separator: "\n").count
  }

  private func wait(_ what: String, until condition: () -> Bool) throws {
    let end = EventLoop.now() + Int64(Child.patienceMilliseconds) * 1_000_000
    while !condition() {
      guard EventLoop.now() < end else { throw Missing(description: what) }
      usleep(10_000)
    }
  }

  /// A client that has sent half of a picture, which all nodes have as far.
  private func half(to leader: Int) throws -> Child {
    run(["rm", "-f", machine.path("half"), machine.path("go")])
    let client = machine.child("/usr/bin/python3", [clients, "half", machine.folder, port(leader)])
    try wait("half of an upload is on no other node") { (1...3).allSatisfy { beginnings($0) == 1 } }
    return client
  }

  @Test func whoDiesDuringAnUploadKeepsNothingOfIt() throws {
    var nodes = try Dictionary(uniqueKeysWithValues: (1...3).map { ($0, try start($0)) })
    let leader = try leader(), follower = leader % 3 + 1
    let leaving = try half(to: leader)
    machine.write("go", "leave")
    #expect(leaving.end() == 0, "\(leaving.errors)")
    try wait("something stays of an upload") { (1...3).allSatisfy { beginnings($0) == 0 } }

    let going = try half(to: leader)
    nodes[follower]!.send(SIGKILL)
    #expect(nodes[follower]!.end() == 128 + SIGKILL)
    machine.write("go", "rest")
    #expect(going.end() == 0 && going.output == "201\n", "\(going.output) \(going.errors)")
    #expect(beginnings(follower) == 1)
    nodes[follower] = try start(follower)
    try wait("what is missing is not fetched") {
      let status = status(follower)
      return status?["images"] == 1 && status?["missing"] == 0 && beginnings(follower) == 0
    }

    _ = try self.leader()
    let cut = try half(to: leader)
    nodes[leader]!.send(SIGKILL)
    #expect(nodes[leader]!.end() == 128 + SIGKILL)
    machine.write("go", "leave")
    _ = cut.end()
    let next = try self.leader(linked: 2)
    try wait("a dead leader's upload stays") { (1...3).allSatisfy { $0 == leader || beginnings($0) == 0 } }
    #expect(status(next)?["images"] == 1)
    for (id, node) in nodes { #expect(!node.errors.contains("misuse"), "node \(id): \(node.errors)") }
  }

  /// A node alone, as a client of the first cloud sees it, and `hostctl images`.
  @Test func clientsOfTheFirstCloudAreUnderstood() throws {
    machine.write(
      "alone.yaml",
      """
      nodehost: 1
      node: { id: 1, name: alone, address: 127.0.0.1, state: \(machine.folder)/alone }
      listen: { data: { address: "127.0.0.1:\(ports[0])" } }
      plugins: { folders: ["\(Place.products)"] }
      blobs: { free_floor_mb: 0 }
      roles:
        - role: elector
        - role: images
          config: { address: ":\(ports[0])" }
        - role: image-frames
          config: { listen: "127.0.0.1:\(ports[1])", images: "http://127.0.0.1:\(ports[0])" }
      """)
    let node = machine.child("\(Place.products)/nodehost", ["\(machine.folder)/alone.yaml"])
    try node.waits(for: "takes images")
    let frames = "\(Place.repository)/Tests/Interop/image_frames.py"
    let (code, output) = run(["timeout", "60", "/usr/bin/python3", frames, "\(ports[1])"])
    #expect(code == 0, "\(output)")

    let images = ["images", "--servers", "127.0.0.1:\(ports[2]),127.0.0.1:\(ports[0])"]
    let listed = machine.hostctl(images + ["list", "--json"])
    let id = try #require(try JSON(parsing: listed.output)["images"]?[0]?["id"]?.string)
    #expect(machine.hostctl(images + ["get", id, "-o", "\(machine.folder)/again.gif"]).code == 0)
    let sent = machine.hostctl(images + ["send", "\(machine.folder)/again.gif"])
    #expect(sent.code == 0 && sent.output.contains("was there already"), "\(sent.output)")
    let refused = machine.hostctl(images + ["send", "\(machine.folder)/alone.yaml"])
    #expect(refused.code == 1 && refused.errors.contains("alone.yaml: refused: "), "\(refused.errors)")
    #expect(machine.hostctl(images + ["discover"]).output.contains("127.0.0.1:\(ports[0]) leads"))
    #expect(machine.hostctl(images + ["delete", id]).code == 0)
    #expect(machine.hostctl(images + ["get", id, "-o", "\(machine.folder)/gone.gif"]).code == 1)
    node.send(SIGTERM)
    #expect(node.end() == 0, "\(node.errors)")
    let lost = machine.hostctl(images + ["send", "\(machine.folder)/again.gif", "--patience", "1"])
    #expect(lost.code == 1 && lost.errors.contains("not sent within 1 s"), "\(lost.errors)")
  }

  /// Uploads that are not what they say leave nothing behind.
  @Test func whatIsRefusedLeavesNothing() throws {
    let nodes = try (1...3).map { try start($0) }
    let leader = try leader()
    func curl(_ words: String...) -> String { run(["curl", "-s", "--max-time", "20"] + words).output }
    let base = "http://127.0.0.1:\(port(leader))/images"
    machine.write("words.txt", "this is no image")
    let text = machine.path("words.txt")
    #expect(curl("-o", "/dev/null", "-w", "%{http_code}", "-T", text, base) == "415")
    let huge = curl("-o", "/dev/null", "-w", "%{http_code}", "-X", "PUT", "-H", "Content-Length: 10737418240", base)
    #expect(huge == "413", "\(huge)")
    let other = leader % 3 + 1
    let referred = curl("-i", "-X", "PUT", "-T", text, "http://127.0.0.1:\(port(other))/images")
    #expect(referred.contains("307") && referred.contains("location: \(base)"), "\(referred)")
    let files = run(["find", machine.path("state"), "-path", "*blobs/*", "-type", "f"]).output
    #expect(files.isEmpty, "\(files)")
    _ = nodes
  }
}
