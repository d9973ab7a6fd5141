import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// kill -9 at any point, and two nodes that want the same place.
@Suite struct KillTests {
  let machine = Machine()

  @Test func aKilledNodeStartsAgainOnItsStateFolder() throws {
    machine.manifest(["role: hello-c", "role: hello-swift"])
    let first = try machine.ready()
    first.send(SIGKILL)
    #expect(first.end() == 128 + SIGKILL)
    #expect(machine.exists(machine.socket) && machine.exists(machine.record), "nobody could tidy up")

    let gone = machine.hostctl("nodes")
    #expect(gone.code == 0 && gone.output.contains("node-a") && gone.output.contains("gone"), "\(gone.all)")
    let unreached = machine.hostctl("list")
    #expect(unreached.code == 1 && unreached.errors.contains("no node is running"), "\(unreached.all)")
    let named = machine.hostctl("--node", "node-a", "list")
    #expect(named.code == 1 && named.errors.contains("the node node-a is not running"), "\(named.all)")

    let second = try machine.ready()
    #expect(try machine.json("status")["node"]?["pid"] == .int(Int64(second.process)))
    #expect(machine.hostctl("call", "hello-c", "add", "2", "40").output == "42\n")
    let nodes = try machine.json("nodes")["nodes"]?.array ?? []
    #expect(nodes.map { $0["state"] } == ["running"])
    second.send(SIGTERM)
    #expect(second.end() == 0)
    #expect(!machine.exists(machine.record))
  }

  @Test func copiesThatWereCutShortAreMadeAnew() throws {
    machine.manifest(["role: hello-c"])
    let first = try machine.ready()
    first.send(SIGKILL)
    #expect(first.end() == 128 + SIGKILL)
    let cache = machine.path("state/plugins")
    let copy = try #require(filesIn(cache).first { $0.hasSuffix(".so") })
    let whole = try #require(readFile("\(cache)/\(copy)", limit: 1 << 24))
    unlink("\(cache)/\(copy)")
    #expect(writeFile("\(cache)/\(copy)", Array(whole.prefix(whole.count / 2)), mode: 0o500))
    // What a node leaves that is killed while it copies.
    #expect(writeFile("\(cache)/.\(copy.dropLast(3)).4711", [1, 2, 3], mode: 0o500))
    _ = try machine.ready()
    #expect(machine.hostctl("call", "hello-c", "add", "2", "40").output == "42\n")
    #expect(readFile("\(cache)/\(copy)", limit: 1 << 24) == whole)
    #expect(filesIn(cache) == [copy])
  }

  @Test(arguments: [SIGKILL, SIGTERM])
  func theTrialProcessDoesNotOutliveItsNode(_ signal: Int32) throws {
    machine.manifest(["role: hello-c"])
    let node = try machine.ready()
    let children = Self.children(of: node.process)
    try #require(children.count == 1)
    node.send(signal)
    #expect(node.end() != nil)
    for _ in 0..<5000 where Self.isAlive(children[0]) { usleep(1000) }
    #expect(!Self.isAlive(children[0]))
  }

  private static func children(of process: pid_t) -> [pid_t] {
    filesIn("/proc").compactMap { pid_t($0) }.filter { status(of: $0)?.parent == process }
  }

  /// One that has ended and that nobody has asked for yet, as in a container without init, is not alive.
  private static func isAlive(_ process: pid_t) -> Bool { status(of: process).map { $0.state != "Z" } ?? false }

  private static func status(of process: pid_t) -> (state: Substring, parent: pid_t)? {
    guard let text = readFile("/proc/\(process)/stat", limit: 4096) else { return nil }
    // Behind the name, which may hold anything.
    let words = String(decoding: text, as: UTF8.self).split(separator: ")").last?.split(separator: " ") ?? []
    guard words.count > 1, let parent = pid_t(words[1]) else { return nil }
    return (words[0], parent)
  }

  @Test func aRunningNodeKeepsItsStateFolder() throws {
    machine.manifest(["role: hello-c"])
    let first = try machine.ready()
    let second = machine.nodehost("node.yaml")
    #expect(second.code == 1)
    #expect(second.errors.hasPrefix("nodehost: another node, process \(first.process), runs on the state folder "))
    #expect(second.errors.contains("--instance"))
    #expect(try machine.json("status")["node"]?["pid"] == .int(Int64(first.process)))
  }

  @Test func aRunningNodeKeepsItsSocket() throws {
    machine.manifest(["role: hello-c"])
    let first = try machine.ready()
    machine.manifest(
      ["role: hello-c"], named: "other.yaml", state: "other", more: "control: { socket: \(machine.socket) }")
    let second = machine.nodehost("other.yaml")
    #expect(second.code == 1)
    #expect(second.errors == "nodehost: another node answers at \(machine.socket); stop it, or use --instance\n")
    #expect(try machine.json("status")["node"]?["pid"] == .int(Int64(first.process)))
  }

  @Test func aFileThatIsNoSocketIsNotTakenForALeftOne() {
    machine.manifest(["role: hello-c"], more: "control: { socket: ./notes.txt }")
    machine.write("notes.txt", "precious")
    let result = machine.nodehost("node.yaml")
    #expect(result.code == 1 && result.errors.contains("notes.txt is there and is not a socket"), "\(result.all)")
    #expect(readFile(machine.path("notes.txt"), limit: 100) == Array("precious".utf8))
  }

  @Test func aNamesakeDoesNotTakeTheOthersRecordAlong() throws {
    machine.manifest(["role: hello-c"])
    let first = try machine.ready()
    machine.manifest(["role: hello-c"], named: "other.yaml", state: "other")
    let second = try machine.ready("other.yaml")
    #expect(second.errors.contains("hostctl finds only one node of this name from now on"), "\(second.errors)")
    first.send(SIGTERM)
    #expect(first.end() == 0)
    #expect(try machine.json("--node", "node-a", "status")["node"]?["pid"] == .int(Int64(second.process)))
  }
}
