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
