import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// SIGHUP: the manifest is read again, and what is the same stays untouched.
@Suite struct ReloadTests {
  let machine = Machine()

  static let paint = #"-DSCHEMA="{\"type\":\"object\",\"properties\":{\"colour\":{\"type\":\"string\"}}}""#

  /// Waits for the `times`-th reload.
  func reload(_ node: Child, times: Int = 1) throws {
    node.send(SIGHUP)
    try node.waits(for: "node: the manifest has been applied", times: times)
  }

  @Test func rolesComeGoAndChangeWhileTheOthersRunOn() throws {
    machine.manifest(["role: hello-c", "role: hello-swift", "role: hello-rust, config: { greeting: Servus }"])
    let node = try machine.ready()
    let before = try machine.role("hello-c")
    let open = try machine.call("hello-c", "later", ["still here", "600"])
    machine.manifest(["role: hello-c", "role: hello-rust, config: { greeting: Moin }", "role: hello-c, name: extra"])
    try reload(node)
    #expect(
      node.errors.contains(
        "the manifest has been applied: added extra; removed hello-swift; restarted hello-rust; 1 unchanged"),
      "\(node.errors)")

    let list = try machine.json("list")["roles"]?.array ?? []
    #expect(list.map { $0["name"]?.string } == ["hello-c", "hello-rust", "extra"])
    #expect(list.allSatisfy { $0["state"] == "running" })
    let after = try machine.role("hello-c")
    #expect(after["generation"] == 1)
    #expect(try #require(after["uptime_ms"]?.int) >= #require(before["uptime_ms"]?.int))
    #expect(open.answer().contains("still here"))
    #expect(try machine.role("hello-rust")["generation"] == 2)
    #expect(machine.hostctl("call", "extra", "add", "2", "3").output == "5\n")
    let greeting = machine.hostctl("call", "hello-rust", "greet", "Kiel")
    #expect(greeting.output.contains("Moin, Kiel!"), "\(greeting.all)")
  }

  @Test func aBrokenManifestChangesNothingAndIsNamedWithItsPlace() throws {
    machine.manifest(["role: hello-c"])
    let node = try machine.ready()
    machine.manifest(["role: hello-c, nam: x", "role: hello-swift, needs: [hello-z]"])
    node.send(SIGHUP)
    for error in [
      "7:22: unknown key `nam`; did you mean `name`?", "8:34: `hello-swift` needs `hello-z`, which is no role here",
    ] {
      try node.waits(for: "error   node: the manifest is not applied: node.yaml:\(error)")
    }
    #expect(try machine.role("hello-c")["generation"] == 1)
    let told = machine.hostctl("reload")
    #expect(told.code == 1 && told.errors.contains("node.yaml:7:22"), "\(told.all)")
    #expect(machine.hostctl("call", "hello-c", "add", "2", "3").output == "5\n")

    unlink(machine.path("node.yaml"))
    node.send(SIGHUP)
    try node.waits(for: "not applied: node.yaml: cannot be read: No such file or directory")
    #expect(try machine.role("hello-c")["state"] == "running")
  }

  @Test func whatCannotChangeAtRunTimeIsNamedEachTime() throws {
    machine.manifest(["role: hello-c"])
    let node = try machine.ready()
    machine.manifest(["role: hello-c"], node: "renamed", more: "listen: { data: { address: \"127.0.0.1:1\" } }")
    for time in 1...2 {
      try reload(node, times: time)
      for section in ["node", "listen"] {
        let words = "`\(section)` differs in the manifest: that takes effect only when the node starts again"
        try node.waits(for: words, times: time)
      }
    }
    #expect(try machine.json("reload")["needs_node_restart"] == ["node", "listen"])
    #expect(try machine.json("status")["node"]?["name"] == "node-a")
  }

  @Test func theLogLevelAndTheAllowListChangeAtOnce() throws {
    let hash = run(["sha256sum", machine.plugin("broken")]).output.prefix(64)
    machine.manifest(["role: hello-c"])
    let node = try machine.ready()
    machine.manifest(
      ["role: broken", "role: hello-c"],
      plugins: "folders: [\(Place.products), ./plugins], allow: { broken: \"sha256:\(hash)\" }")
    machine.write("node.yaml", machine.text("node.yaml").replacing("level: debug", with: "level: warning"))
    #expect(try machine.json("reload")["needs_node_restart"] == [])
    #expect(try machine.role("broken")["state"] == "running")
    // It ran before, so the list does not touch it until it starts anew.
    #expect(try machine.role("hello-c")["state"] == "running")
    let restarted = machine.hostctl("restart", "hello-c")
    #expect(restarted.code == 1)
    #expect(restarted.errors.contains("is not on the list of allowed plugins"), "\(restarted.all)")
    #expect(restarted.errors.contains("(will be tried again)"), "\(restarted.all)")
    #expect(!node.errors.contains("hello-c: draining"), "the level is `warning` by now")
    #expect(try machine.role("broken")["generation"] == 1)
  }

  @Test func aRoleThatCanTakesItsNewConfigurationWithoutARestart() throws {
    _ = machine.plugin("broken", ["-DCASE_RECONFIGURES", Self.paint])
    machine.manifest(["role: broken, config: { colour: red }"])
    let node = try machine.ready()
    machine.manifest(["role: broken, config: { colour: blue }"])
    try reload(node)
    #expect(node.errors.contains("the manifest has been applied: reconfigured broken; 0 unchanged"))
    #expect(try machine.role("broken")["generation"] == 1)
  }

  @Test func settingsOfTheCommandLineHoldAcrossAReload() throws {
    machine.manifest(["role: hello-c, config: { greeting: Hi }"])
    let node = try machine.ready("node.yaml", "--set", "roles.hello-c.config.greeting=Hey")
    machine.manifest(["role: hello-c, config: { greeting: Hello }"])
    try reload(node)
    #expect(node.errors.contains("the manifest has been applied: 1 unchanged"))
    #expect(machine.hostctl("call", "hello-c", "greet", "you").output.contains("Hey, you!"))
    machine.manifest(["role: hello-swift"])
    node.send(SIGHUP)
    try node.waits(for: "the manifest is not applied: no role `hello-c`")
  }

  @Test func aRefusedConfigurationIsAskedForAgainAtTheNextReload() throws {
    _ = machine.plugin("broken", ["-DCASE_REFUSES_CHANGE", Self.paint])
    machine.manifest(["role: broken, config: { colour: red }"])
    let node = try machine.ready()
    machine.manifest(["role: broken, config: { colour: blue }"])
    for time in 1...2 {
      try reload(node, times: time)
      try node.waits(for: "broken keeps its old configuration: ", times: time)
    }
    #expect(node.errors.contains("it is painted already"))
    let told = machine.hostctl("reload")
    #expect(told.code == 1 && told.errors.contains("it is painted already"), "\(told.all)")
    #expect(try machine.role("broken")["generation"] == 1)
    machine.manifest(["role: broken, config: { colour: red }"])
    #expect(try machine.json("reload")["unchanged"] == 1)
  }

  @Test func aRoleThatIsWantedAgainWhileItLeavesStays() throws {
    _ = machine.plugin("broken", ["-DSTART_NEEDS_FILE=\"\(machine.path("ready"))\""])
    machine.write("ready", "")
    let roles = ["role: broken, limits: { drain_ms: 1500 }, restart: { policy: never }", "role: hello-swift"]
    machine.manifest(roles)
    let node = try machine.ready()
    let open = try machine.call("broken", "forget", [])
    machine.manifest([roles[1]])
    node.send(SIGHUP)
    try node.waits(for: "broken: draining")
    unlink(machine.path("ready"))
    machine.manifest(roles)
    node.send(SIGHUP)
    #expect(open.answer().contains("broken has stopped"))
    try node.waits(for: "broken: start: UNAVAILABLE: the file is not there yet")
    // A role that is leaving would be forgotten as soon as it comes to rest.
    #expect(try machine.role("broken")["state"] == "failed")
    machine.write("ready", "")
    #expect(try machine.json("reload")["restarted"] == ["broken"])
    #expect(try machine.role("broken")["state"] == "running")
  }

  @Test func aWrongConfigurationIsNamedWithItsPlaceAndMendedByAReload() throws {
    machine.manifest(["role: hello-swift, config: { greeting: Hi, tick_seconds: 0 }", "role: hello-c"])
    let node = try machine.ready()
    let reason = "node.yaml:7:64: `tick_seconds` is `0`; expected a whole number from 1 to 3600"
    #expect(node.errors.contains("error   hello-swift: \(reason)"), "\(node.errors)")
    #expect(try machine.role("hello-swift")["reason"] == .string(reason))
    #expect(try machine.role("hello-c")["state"] == "running")
    machine.manifest(["role: hello-swift, config: { greeting: Hi, tick_seconds: 1 }", "role: hello-c"])
    try reload(node)
    #expect(machine.hostctl("call", "hello-swift", "greet", "you").output.contains("Hi, you!"))
    #expect(try machine.role("hello-c")["generation"] == 1)
  }

  @Test func aReloadGivesAFailedRoleAnotherChance() throws {
    _ = machine.plugin("broken", ["-DSTART_NEEDS_FILE=\"\(machine.path("ready"))\""])
    machine.manifest(["role: broken, restart: { policy: never }", "role: hello-c"])
    let node = try machine.ready()
    #expect(try machine.role("broken")["reason"]?.string?.contains("the file is not there yet") == true)
    node.send(SIGHUP)
    try node.waits(for: "broken failed: start: UNAVAILABLE: the file is not there yet")
    machine.write("ready", "")
    try reload(node, times: 2)
    #expect(try machine.role("broken")["state"] == "running")
    #expect(try machine.role("hello-c")["generation"] == 1)
  }
}
