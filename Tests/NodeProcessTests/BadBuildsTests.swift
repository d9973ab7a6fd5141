import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// Builds that go wrong while they take over, or soon after: the old one serves on.
@Suite struct BadBuildsTests {
  let machine = Machine()

  struct Case: CustomTestStringConvertible, Sendable {
    var step: String
    var does: String
    /// 0: in the node; 2: in the trial process, where it shows first.
    var trial: Int
    var reason: String
    /// Whether the same file is tried again when it is written again.
    var isTriedAgain = false
    var testDescription: String { "\(step) \(does) \(trial)" }
    var defines: [String] { ["-DAT=\"\(step)\"", "-DDOES=\(does)", "-DIN_TRIAL=\(trial)"] }
  }

  static let cases = [
    Case(step: "query", does: "CRASH", trial: 2, reason: "crashed (Aborted) while being opened in a trial process"),
    Case(step: "query", does: "REFUSE", trial: 2, reason: "nh_plugin_query refuses this host", isTriedAgain: true),
    Case(step: "create", does: "CRASH", trial: 2, reason: "crashed (Aborted) while creating `swapper`"),
    Case(step: "create", does: "HANG", trial: 2, reason: "was still creating `swapper` after 2000 ms"),
    Case(step: "create", does: "REFUSE", trial: 2, reason: "refuses the configuration", isTriedAgain: true),
    Case(step: "create", does: "REFUSE", trial: 0, reason: "create: FAILED_PRECONDITION: not created today"),
    Case(step: "load", does: "CRASH", trial: 2, reason: "crashed (Aborted) while creating `swapper`"),
    Case(step: "load", does: "REFUSE", trial: 2, reason: "refuses the state of `swapper`", isTriedAgain: true),
    Case(step: "load", does: "REFUSE", trial: 0, reason: "load: FAILED_PRECONDITION: not loaded today"),
    Case(step: "start", does: "REFUSE", trial: 0, reason: "start: FAILED_PRECONDITION: not started today"),
  ]

  @Test(arguments: cases)
  func theOldBuildServesOn(_ bad: Case) throws {
    machine.install(1)
    machine.manifest(["role: swapper"], plugins: Machine.whereOn)
    let node = try machine.ready()
    #expect(machine.ask("next") == 1)
    let build = machine.swapper(2, bad.defines)
    let later = try machine.call("swapper", "next_later", ["300"])
    machine.install(build)
    try node.waits(for: "not swapped: swapper: ")
    #expect(node.errors.contains(bad.reason), "\(node.errors)")
    #expect(machine.ask("build") == 1)
    #expect(later.answer().contains("\"value\":2"))
    #expect(machine.ask("next") == 3)
    let role = try machine.role("swapper")
    #expect(role["generation"] == 1 && role["state"] == "running" && role["health"] == "ok", "\(role)")

    machine.install(build)
    if bad.isTriedAgain {
      try node.waits(for: "not swapped: swapper: ", times: 2)
    } else {
      calmDown()
      #expect(node.count(of: "not swapped: swapper: ") == 1, "\(node.errors)")
      let refused = machine.hostctl("swap", "swapper")
      #expect(refused.code == 1 && refused.errors.contains("is a build that failed before ("), "\(refused.all)")
      #expect(refused.errors.contains("hostctl swap --force"))
      #expect(machine.hostctl("history", "swapper").output.contains("is quarantined: "))
    }
    // That would take its two seconds once more.
    if bad.does == "HANG" { return }
    let forced = machine.hostctl("swap", "swapper", "--force")
    #expect(forced.code == 1 && forced.errors.contains(bad.reason), "\(forced.all)")
    machine.install(3)
    try node.waits(for: "swapper: swapped: 1.0.3")
    #expect(machine.ask("count") == 3)
  }

  @Test func aRestartRunsTheLastGoodBuildInsteadOfABadOne() throws {
    machine.install(1)
    machine.manifest(["role: swapper"], plugins: Machine.whereOn)
    for bad in Self.cases where bad.does != "HANG" && (wantsLongTests || bad.step != "query") {
      machine.install(1)
      var node = try machine.ready()
      let count = try #require(machine.ask("next"))
      machine.install(machine.swapper(2, bad.defines))
      try node.waits(for: "not swapped: swapper: ")
      node.send(SIGTERM)
      #expect(node.end() == 0)
      node = try machine.ready()
      #expect(node.errors.contains("swapper: runs its last good build, of generation "), "\(bad): \(node.errors)")
      #expect(machine.ask("build") == 1 && machine.ask("count") == count)
      node.send(SIGKILL)
      #expect(node.end() == 128 + SIGKILL)
    }
  }

  @Test func aForcedBuildThatServesIsQuarantinedNoMore() throws {
    machine.install(1)
    machine.manifest(["role: swapper"], plugins: Machine.whereOn)
    var node = try machine.ready()
    machine.install(2, "-DAT=\"start\"", "-DDOES=REFUSE", "-DMARK=\"\(machine.path("mark"))\"")
    try node.waits(for: "not swapped: swapper: start: ")
    #expect(machine.hostctl("swap", "swapper", "--force").code == 0)
    #expect(machine.ask("build") == 2)
    #expect(try machine.history().quarantine.isEmpty)
    node.send(SIGTERM)
    #expect(node.end() == 0)
    node = try machine.ready()
    #expect(machine.ask("build") == 2)
  }

  @Test(arguments: ["-DFAULTS_AFTER_MS=300", "-DSICK_AFTER_MS=300"])
  func aBuildThatFailsOnProbationGoesBack(_ define: String) throws {
    machine.install(1)
    machine.manifest(["role: swapper"], plugins: Machine.whereOn)
    let node = try machine.ready()
    #expect(machine.ask("next") == 1)
    let bad = machine.swapper(2, [define])
    machine.install(bad)
    try node.waits(for: "swapper: swapped: 1.0.2, generation 2")
    #expect(machine.ask("build") == 2 && machine.ask("count") == 1)
    let reason =
      define.contains("SICK") ? "its health is failed: a fever" : "it gave up: DATA_LOSS: the disk is gone"
    try node.waits(for: "swapper: back to generation 1: swapper: \(reason)")
    #expect(machine.ask("build") == 1 && machine.ask("next") == 2)
    #expect(try #require(machine.ask("alarm_ms")) < 599_800)
    let history = try machine.history()
    #expect(history.lines == ["1 start running", "2 watch reverted"])
    #expect(history.quarantine.values.map { $0 } == [reason])
    machine.install(bad)
    calmDown()
    #expect(machine.ask("build") == 1 && node.count(of: ": swapped: ") == 1)
    machine.install(3)
    try node.waits(for: "swapper: swapped: 1.0.3, generation 3")
  }

  @Test func aBuildThatTheNodeDiesOfOnProbationIsNotTriedAgain() throws {
    machine.install(1)
    machine.manifest(["role: swapper"], plugins: Machine.whereOn)
    var node = try machine.ready()
    #expect(machine.ask("next") == 1)
    machine.install(2, "-DCRASHES_AFTER_MS=200")
    try node.waits(for: "swapper: swapped: 1.0.2, generation 2")
    #expect(node.end() == 128 + SIGABRT)
    // Its file still lies in the folder.
    node = try machine.ready()
    #expect(node.errors.contains("swapper: runs its last good build, of generation 1, since "), "\(node.errors)")
    #expect(machine.ask("build") == 1 && machine.ask("count") == 1)
    let history = try machine.history()
    #expect(history.lines == ["1 start replaced", "2 watch reverted", "3 start running"])
    #expect(history.quarantine.values.map { $0 } == ["the node died while it was on probation"])
    machine.install(3)
    try node.waits(for: "swapper: swapped: 1.0.3, generation 4")
    #expect(machine.ask("count") == 1)
  }

  @Test func aBuildThatTheNodeDiesOfLaterIsTriedAgain() throws {
    machine.install(1)
    machine.manifest(["role: swapper, limits: { probation_ms: 50 }"], plugins: Machine.whereOn)
    var node = try machine.ready()
    machine.install(2, "-DCRASHES_AFTER_MS=800")
    try node.waits(for: "swapper: swapped: 1.0.2, generation 2")
    #expect(node.end() == 128 + SIGABRT)
    node = try machine.ready()
    #expect(machine.ask("build") == 2)
    #expect(try machine.history().quarantine.isEmpty)
  }

  @Test func afterProbationAFaultIsTheRolesOwn() throws {
    machine.install(1)
    machine.manifest(
      ["role: swapper, limits: { probation_ms: 100 }, restart: { backoff_ms: 10 }"], plugins: Machine.whereOn)
    let node = try machine.ready()
    machine.install(2, "-DFAULTS_AFTER_MS=800")
    try node.waits(for: "swapper: swapped: 1.0.2, generation 2")
    try node.waits(for: "swapper: it gave up: DATA_LOSS")
    try node.waits(for: "swapper: running (swapper 1.0.2, generation 3)")
    #expect(node.count(of: "back to generation") == 0)
  }

  @Test func aBuildThatNeverReturnsIsToldOfAndDoesNotComeBack() throws {
    machine.install(1)
    machine.manifest(["role: swapper, limits: { start_ms: 300 }", "role: hello-c"], plugins: Machine.whereOn)
    var node = try machine.ready()
    #expect(machine.ask("next") == 1)
    machine.install(2, "-DAT=\"start\"", "-DDOES=HANG", "-DIN_TRIAL=0")
    try node.waits(for: "not swapped: swapper: save, load or start has not returned after 300 ms")
    let role = try machine.role("swapper")
    #expect(role["health"] == "failed", "\(role)")
    let swap = machine.hostctl("swap", "swapper", "--force")
    #expect(swap.code == 1 && swap.errors.contains("has not returned"), "\(swap.all)")
    node.send(SIGKILL)
    _ = node.end()
    node = try machine.ready()
    #expect(machine.ask("build") == 1)
    #expect(machine.ask("count") == 1, "\(node.errors)")
  }
}
