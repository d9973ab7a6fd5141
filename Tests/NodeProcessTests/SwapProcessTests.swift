import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// A new build takes over in a running node: by itself, and when it is told to.
@Suite struct SwapProcessTests {
  let machine = Machine()

  @Test(arguments: [true, false])
  func aNewBuildIsNoticedByItself(inDevelopment: Bool) throws {
    machine.install(1)
    machine.manifest(["role: swapper"], plugins: inDevelopment ? "folders: [./plugins]" : Machine.whereOn)
    let node = try inDevelopment ? machine.ready("node.yaml", "--dev") : machine.ready()
    for count in 1...3 { #expect(machine.ask("next") == count) }
    usleep(300_000)
    machine.install(2, "-DSTATE_BYTES=1000")
    try node.waits(for: "swapper: swapped: 1.0.2, generation 2")
    #expect(machine.ask("build") == 2)
    #expect(machine.ask("count") == 3)
    let left = try #require(machine.ask("alarm_ms"))
    #expect((500_000...599_700).contains(left), "the alarm of ten minutes goes on: \(left) ms")
    let role = try machine.role("swapper")
    #expect(role["version"] == "1.0.2" && role["generation"] == 2 && role["state"] == "running", "\(role)")

    let history = try machine.history()
    #expect(history.lines == ["1 start replaced", "2 watch running"])
    #expect(history.generations[1].stateBytes == 24 && history.generations[1].pauseMicroseconds ?? 0 > 0)
    let shown = machine.hostctl("history", "swapper").output
    #expect(shown.contains("replaced") && shown.contains("watch") && shown.contains("24 B"), "\(shown)")
  }

  @Test func nothingIsNoticedUnlessItIsAllowed() throws {
    machine.install(1)
    machine.manifest(["role: swapper"], plugins: "folders: [./plugins]")
    let node = try machine.ready()
    machine.install(2)
    calmDown()
    #expect(machine.ask("build") == 1)
    for words in [["swap", "swapper"], ["swap", "--all"], ["rollback", "swapper"]] {
      let refused = machine.hostctl(words)
      #expect(refused.code == 1 && refused.errors.contains("`hot_swap: on`"), "\(refused.all)")
    }
    #expect(machine.hostctl("history", "swapper").code == 0)
    // Allowed by a reload, and forbidden by another.
    machine.manifest(["role: swapper"], plugins: Machine.whereOn)
    #expect(machine.hostctl("reload").code == 0)
    machine.install(3)
    try node.waits(for: "swapper: swapped: 1.0.3, generation 2")
    machine.manifest(["role: swapper"], plugins: "folders: [./plugins]")
    #expect(machine.hostctl("reload").code == 0)
    machine.install(4)
    calmDown()
    #expect(machine.ask("build") == 3)
  }

  @Test func aFileBehindThatOfAnEarlierFolderIsNotLoadedByItself() throws {
    machine.install(1)
    _ = makeFolder(machine.path("later"))
    machine.manifest(["role: swapper"], plugins: "folders: [./plugins, ./later], hot_swap: on")
    let node = try machine.ready()
    let later = machine.swapper(2, to: machine.path("later/libswapper.so"))
    try node.waits(for: "later/libswapper.so is not loaded: ")
    #expect(machine.ask("build") == 1)
    // Told to, it goes over to it, and then stays with it.
    #expect(machine.hostctl("swap", "swapper", later).code == 0)
    _ = machine.swapper(2, to: later)
    calmDown()
    #expect(machine.ask("build") == 2)
    #expect(try machine.history().lines == ["1 start replaced", "2 swap running"])
  }

  @Test func swapsHistoryAndRollbacksOnRequest() throws {
    machine.install(1)
    let other = machine.swapper(2)
    machine.manifest(["role: swapper", "role: swapper, name: twin", "role: hello-c"])
    _ = try machine.ready("node.yaml", "--dev")
    #expect(machine.ask("next") == 1)
    let swapped = machine.hostctl("swap", "swapper", other)
    #expect(swapped.output.contains("swapper is swapped: version 1.0.2, generation 2, pause "), "\(swapped.all)")
    #expect(swapped.output.contains("state 24 B\non probation for 5s"), "\(swapped.all)")
    #expect(machine.ask("build") == 2 && machine.ask("build", role: "twin") == 1)

    // The file in the folder is the first build still.
    #expect(machine.hostctl("swap", "swapper").output.contains("version 1.0.1, generation 3"))
    #expect(machine.hostctl("swap", "swapper").output == "swapper is unchanged: it runs this build already\n")
    #expect(machine.hostctl("swap", "swapper", "--force").output.contains("version 1.0.1, generation 4"))
    let all = machine.hostctl("swap", "--all").output
    #expect(all.split(separator: "\n").count { $0.contains(" is unchanged: ") } == 3, "\(all)")

    let back = machine.hostctl("rollback", "swapper")
    #expect(back.output.contains("swapper is rolled back: version 1.0.2, generation 5"), "\(back.all)")
    #expect(machine.hostctl("rollback", "swapper", "1").output.contains("version 1.0.1, generation 6"))
    #expect(machine.hostctl("rollback", "swapper", "6").output.contains("is unchanged"))
    let nowhere = machine.hostctl("rollback", "swapper", "99")
    #expect(nowhere.code == 1 && nowhere.errors.contains("it has no generation 99"), "\(nowhere.all)")
    let never = machine.hostctl("rollback", "hello-c")
    #expect(never.code == 1 && never.errors.contains("it has no earlier build that served"), "\(never.all)")
    #expect(machine.ask("count") == 1)
    let causes = try machine.history().generations.map(\.cause)
    #expect(causes == [.start, .swap, .swap, .swap, .rollback, .rollback])
  }

  @Test func allRolesOfAPluginGoOverTogether() throws {
    machine.install(1)
    machine.manifest(
      ["role: swapper, name: a", "role: swapper, name: b", "role: swapper, name: c"], plugins: Machine.whereOn)
    let node = try machine.ready()
    for (count, role) in ["a", "b", "c"].enumerated() {
      for _ in 0..<count { _ = machine.ask("next", role: role) }
    }
    machine.install(2)
    for role in ["a", "b", "c"] { try node.waits(for: "\(role): swapped: 1.0.2, generation 2") }
    // The first of them to start refuses, so none goes.
    machine.install(3, "-DAT=\"start\"", "-DDOES=REFUSE", "-DIN_TRIAL=0", "-DMARK=\"\(machine.path("mark"))\"")
    try node.waits(for: "not swapped: ")
    #expect(machine.exists(machine.path("mark")))
    for (count, role) in ["a", "b", "c"].enumerated() {
      #expect(machine.ask("build", role: role) == 2)
      #expect(machine.ask("count", role: role) == count, "\(role): \(node.errors)")
    }
    let swapped = machine.hostctl("swap", "--all", "--force")
    #expect(swapped.output.split(separator: "\n").count { $0.contains(" is swapped: version 1.0.3") } == 3)
    for (count, role) in ["a", "b", "c"].enumerated() {
      #expect(machine.ask("build", role: role) == 3)
      #expect(machine.ask("count", role: role) == count, "\(role): \(node.errors)")
    }
  }

  @Test func aFailedRoleGetsAnotherChanceWhenItsFileIsBuiltAnew() throws {
    machine.install(1, "-DAT=\"start\"", "-DDOES=REFUSE")
    machine.manifest(["role: swapper, restart: { policy: never }"], plugins: Machine.whereOn)
    let node = try machine.ready()
    #expect(try machine.role("swapper")["state"] == "failed")
    let swap = machine.hostctl("swap", "swapper")
    #expect(swap.code == 1 && swap.errors.contains("`swapper` is failed: start: "), "\(swap.all)")
    machine.install(2)
    try node.waits(for: "swapper: running (swapper 1.0.2")
    // A file that was not there when the node started is noticed as well.
    machine.install(3)
    try node.waits(for: "swapper: swapped: 1.0.3")
  }

  @Test func onlyAllowedBuildsTakeOver() throws {
    machine.install(1)
    let next = machine.swapper(2)
    func hash(_ path: String) -> String { String(run(["sha256sum", path]).output.prefix(64)) }
    func allow(_ path: String) {
      machine.manifest(
        ["role: swapper"], plugins: "\(Machine.whereOn), allow: { swapper: \"sha256:\(hash(path))\" }")
    }
    allow(machine.path("plugins/libswapper.so"))
    let node = try machine.ready()
    machine.install(next)
    try node.waits(for: "not swapped: swapper: ")
    #expect(node.errors.contains("has SHA-256 \(hash(next)), and the manifest allows only"))
    #expect(machine.ask("build") == 1)
    allow(next)
    #expect(machine.hostctl("reload").code == 0)
    #expect(machine.hostctl("swap", "swapper").code == 0)
    #expect(machine.ask("build") == 2)
    let back = machine.hostctl("rollback", "swapper")
    #expect(back.code == 1 && back.errors.contains("the manifest allows only"), "\(back.all)")
    #expect(machine.ask("build") == 2)
  }

  @Test func aStateIsDroppedOnlyIfTheManifestSaysSo() throws {
    machine.install(1, "-DSTATE_VERSION=2")
    machine.manifest(["role: swapper"], plugins: Machine.whereOn)
    var node = try machine.ready()
    #expect(machine.ask("next") == 1)
    machine.install(2, "-DKEEPS_NOTHING")
    try node.waits(for: "not swapped: swapper: the running build saves its state, and the new one cannot load any")
    #expect(node.errors.contains("cold_start: on"))
    // An older build, which does not know the newer state.
    machine.install(3, "-DSTATE_VERSION=1")
    try node.waits(for: "refuses the state of `swapper`, version 2")
    #expect(machine.ask("build") == 1 && machine.ask("next") == 2)
    node.send(SIGTERM)
    #expect(node.end() == 0)

    machine.install(1, "-DSTATE_VERSION=2")
    machine.manifest(["role: swapper, cold_start: on"], plugins: Machine.whereOn)
    node = try machine.ready()
    #expect(machine.ask("count") == 2)
    machine.install(3, "-DSTATE_VERSION=1")
    try node.waits(for: "swapped: 1.0.3")
    #expect(machine.ask("count") == 0, "it has begun anew")
    #expect(machine.ask("next") == 1)
    machine.install(4, "-DKEEPS_NOTHING")
    try node.waits(for: "swapped: 1.0.4")
    #expect(machine.ask("build") == 4 && machine.ask("count") == 0)
  }
}
