import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// Command lines, manifests and folders with which a node starts, or says why not.
@Suite struct StartTests {
  let machine = Machine()

  // MARK: --check

  @Test func aCheckSucceedsIfAllRolesRun() {
    machine.manifest(Machine.roles.map { "role: \($0)" })
    let result = machine.nodehost("node.yaml", "--check")
    #expect(result.code == 0, "\(result.all)")
    for role in Machine.roles { #expect(result.output.contains(role)) }
    #expect(result.output.split(separator: "\n").dropFirst().allSatisfy { $0.contains(" running ") })
    #expect(!machine.exists(machine.socket) && !machine.exists(machine.record))
  }

  @Test func aCheckFailsAtTheFirstFailureOfARole() throws {
    _ = machine.plugin("broken", ["-DCASE_START_FAILS"])
    machine.manifest(["role: hello-c", "role: broken", "role: hello-swift, needs: [broken]"])
    let child = machine.start("node.yaml", "--check")
    // The usual policy would try for two minutes.
    #expect(child.end() == 1)
    #expect(child.output.contains("broken: start: UNAVAILABLE: the database is away"), "\(child.output)")
    #expect(child.output.contains("hello-swift: it needs `broken`, which is not running"), "\(child.output)")
  }

  @Test func aCheckDoesNotWaitForARoleThatHangs() {
    _ = machine.plugin("broken", ["-DCASE_START_HANGS"])
    machine.manifest(["role: broken, limits: { start_ms: 100 }", "role: hello-c"])
    let child = machine.start("node.yaml", "--check")
    #expect(child.end() == 1, "\(child.errors)")
    #expect(child.output.contains("broken: create or start has not returned after 100 ms"), "\(child.output)")
  }

  @Test func aCheckThatIsCutShortHasNotSucceeded() throws {
    _ = machine.plugin("broken", ["-DSTART_TAKES_MS=600"])
    machine.manifest(["role: broken"])
    let child = machine.start("node.yaml", "--check")
    try child.waits(for: "broken: starting")
    child.send(SIGTERM)
    #expect(child.end() == 1)
    #expect(child.errors.contains("node: ended"), "all in order, but nothing was checked")
  }

  // MARK: Overrides

  @Test func settingsOfTheCommandLineReachTheNode() throws {
    machine.manifest(["role: hello-c"])
    _ = try machine.ready("node.yaml", "--set", "node.name=other", "--set", "roles.hello-c.name=greeter")
    #expect(try machine.json("status")["node"]?["name"] == "other")
    #expect(try machine.json("--node", "other", "list")["roles"]?[0]?["name"] == "greeter")
  }

  @Test func aSecondInstanceRunsBesideTheFirst() throws {
    // An address of its own: at the usual one, another test's connection may have the port.
    machine.manifest(["role: hello-c"], more: "listen: { data: { address: \"127.0.50.1:50051\" } }")
    _ = try machine.ready()
    let second = try machine.ready("node.yaml", "--instance", "2")
    #expect(second.errors.contains("node-a-2 (id 1) from \(machine.path("node.yaml"))"))
    #expect(second.errors.contains("127.0.50.1:50061"), "ports are one stride higher")
    #expect(machine.exists(machine.path("state-2/control.sock")))
    for (name, instance) in [("node-a", 1), ("node-a-2", 2)] {
      #expect(machine.hostctl("--node", name, "call", "hello-c", "add", "1", "2").output == "3\n")
      #expect(try machine.json("--node", name, "status")["node"]?["instance"] == .int(Int64(instance)))
    }
  }

  @Test func aPeerOfTheCommandLineReplacesTheManifests() throws {
    machine.manifest(["role: hello-c"], more: "cluster: { peers: { 2: \"10.1.2.3:60002\" } }")
    let node = try machine.ready("node.yaml", "--peer", "2=127.0.0.9")
    #expect(node.errors.contains("2 at 127.0.0.9:60002"), "\(node.errors)")
  }

  @Test(arguments: [
    (["--set", "a"], "--set a: error: `a` is no setting"),
    (["--set", "roles.nix.name=x"], "no role `nix`"),
    (["--set", "node.nam=x"], "unknown key `nam`; did you mean `name`?"),
    (["--set", "node.id=[1"], "--set node.id=[1: error:"),
    (["--peer", "x=10.0.0.1"], "`x=10.0.0.1` names no peer"),
    (["--peer", "9=10.0.0.1"], "no peer `9` in the manifest; a new one needs a port"),
    (["--instance", "0"], "`instance` is `0`"),
    (["--instance", "5000"], "expected a whole number from 1 to 1000"),
  ])
  func aBadOverrideIsNamed(_ words: [String], _ error: String) {
    machine.manifest(["role: hello-c"])
    let result = machine.nodehost(["node.yaml"] + words)
    #expect(result.code == 1)
    #expect(result.errors.contains(error), "\(result.all)")
  }

  @Test(arguments: [
    (["run"], "run needs MANIFEST"),
    (["node.yaml", "--chek"], "did you mean --check?"),
    (["node.yaml", "--instance", "two"], "--instance takes a whole number from 1 to 1000, not `two`"),
    (["node.yaml", "other.yaml"], "other.yaml"),
    (["node.yaml", "--set"], "--set"),
    (["rnu", "node.yaml"], ""),
  ])
  func wrongUsageIsAnExitCodeOfItsOwn(_ words: [String], _ error: String) {
    machine.manifest(["role: hello-c"])
    let result = machine.nodehost(words)
    #expect(result.code == 64, "\(result.all)")
    #expect(result.errors.contains(error), "\(result.all)")
    #expect(result.output.isEmpty)
  }

  // MARK: What is wrong with the manifest or its surroundings

  @Test func allErrorsOfAManifestAreToldAtOnce() {
    machine.manifest(
      ["role: hello-c, needs: [nobody]", "role: hello-c", "role: hello-swift, isolation: worker", "nme: x"],
      more: "pluginz: 1")
    let result = machine.nodehost("node.yaml")
    #expect(result.code == 1)
    for (place, error) in [
      ("7:30", "`hello-c` needs `nobody`, which is no role here"), ("8:13", "two roles have the name `hello-c`"),
      ("9:37", "`isolation` is `worker`, which is not possible: this host runs roles in its own process"),
      ("10:7", "unknown key `nme`; did you mean `name`?"), ("11:1", "unknown key `pluginz`; did you mean `plugins`?"),
    ] {
      #expect(result.errors.contains("node.yaml:\(place): error: \(error)"), "\(result.errors)")
    }
    #expect(!machine.exists(machine.path("state")), "nothing was begun")
  }

  @Test func aMissingManifestIsNamed() {
    let result = machine.nodehost("nowhere.yaml")
    #expect(result.code == 1)
    #expect(result.errors == "nowhere.yaml: error: cannot be read: No such file or directory\n")
  }

  @Test func aStateFolderThatCannotBeMadeIsNamed() {
    machine.write("file", "")
    machine.manifest(["role: hello-c"], state: "file/state")
    let below = machine.nodehost("node.yaml")
    #expect(below.code == 1)
    #expect(
      below.errors
        == "nodehost: cannot make the state folder \(machine.path("file/state")): Not a directory; see node.state\n")
    machine.manifest(["role: hello-c"], state: "file")
    #expect(machine.nodehost("node.yaml").errors.contains("/file: File exists; see node.state"))
  }

  @Test func whatThisHostDoesNotDoYetIsSaidAtTheStart() throws {
    machine.manifest(
      ["role: hello-c"],
      more: """
        listen: { peers: { address: "127.0.50.1:60001" } }
        cluster: { peers: { 1: "127.0.50.1:60001", 2: "127.0.50.2:60001" } }
        """)
    let node = try machine.ready()
    let sentences = [
      "`listen.peers` has no effect: nodes prove who they are by `cluster.key` or `cluster.tls`, and neither is there",
      "`cluster.peers` (2 at 127.0.50.2:60001) has no effect: nodes prove who they are by `cluster.key` or "
        + "`cluster.tls`, and neither is there; `hostctl key new` makes a key",
    ]
    let status = machine.hostctl("status").output
    for sentence in sentences {
      #expect(node.errors.contains("warning node: \(sentence)"), "\(node.errors)")
      #expect(status.contains("note: \(sentence)"), "\(status)")
    }
  }
}
