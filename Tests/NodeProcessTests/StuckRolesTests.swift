import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// Roles that fail, are tried again, or never come back.
@Suite struct StuckRolesTests {
  let machine = Machine()

  @Test func aRoleThatFailsAtFirstIsTriedAgainUntilItRuns() throws {
    _ = machine.plugin("broken", ["-DSTART_NEEDS_FILE=\"\(machine.path("ready"))\""])
    machine.manifest([
      "role: broken, restart: { policy: on-failure, backoff_ms: 40, backoff_limit_ms: 80, limit: 1000 }",
      "role: hello-c", "role: hello-swift, needs: [broken]",
    ])
    let node = machine.start("node.yaml")
    try node.waits(for: "broken: tries again in", times: 3)
    let waits = node.errors.split(separator: "\n").compactMap { line in
      line.split(separator: "broken: tries again in ").dropFirst().first.flatMap { Int($0.split(separator: " ")[0]) }
    }
    #expect((30...40).contains(waits[0]) && waits.dropFirst().allSatisfy { (60...80).contains($0) }, "\(waits)")
    let failing = try machine.role("broken")
    #expect(failing["reason"]?.string?.contains("the file is not there yet") == true, "\(failing)")
    #expect(machine.hostctl("call", "hello-c", "add", "1", "2").output == "3\n")
    #expect(try machine.json("status")["node"]?["state"] == "starting")

    machine.write("ready", "")
    try node.waits(for: "node: ready after")
    #expect(node.errors.contains("hello-swift: running"))
    let running = try machine.role("broken")
    #expect(running["state"] == "running" && running["health"] == "ok")
    #expect(try #require(running["restarts"]?.int) >= 3)
  }

  @Test func aRoleThatKeepsFailingIsGivenUpAtItsLimit() throws {
    _ = machine.plugin("broken", ["-DCASE_START_FAILS"])
    machine.manifest(["role: broken, restart: { backoff_ms: 5, limit: 2 }", "role: hello-c"])
    let node = try machine.ready()
    #expect(node.errors.split(separator: "broken: tries again in").count == 3, "\(node.errors)")
    #expect(node.errors.contains("1 of 2 roles are running"))
    #expect(machine.hostctl("health", "broken").code == 1)
    #expect(machine.hostctl("health", "hello-c").code == 0)
  }

  @Test func aStartThatHangsHoldsNobodyElseUp() throws {
    _ = machine.plugin("broken", ["-DCASE_START_HANGS"])
    machine.manifest([
      "role: broken, limits: { start_ms: 300 }", "role: hello-c", "role: hello-swift, needs: [broken]",
    ])
    let node = machine.start("node.yaml")
    try node.waits(for: "hello-c: running")
    try node.waits(for: "broken: starting")
    // While it hangs and nobody knows yet.
    #expect(try machine.role("broken")["state"] == "starting")
    #expect(machine.hostctl("call", "hello-c", "add", "1", "2").output == "3\n")
    try node.waits(for: "broken: create or start has not returned after 300 ms")
    try node.waits(for: "hello-swift: it needs `broken`, which is not running")
    let stuck = try machine.role("broken")
    #expect(
      stuck["health"] == "failed" && stuck["reason"] == "create or start has not returned after 300 ms", "\(stuck)")
    let restarted = machine.hostctl("restart", "broken")
    #expect(restarted.code == 1 && restarted.errors.contains("has not returned"), "\(restarted.all)")
    // There are two loops, and nobody is put on the one that hangs.
    for _ in 1...3 { #expect(machine.hostctl("restart", "hello-c").code == 0) }
    node.send(SIGTERM)
    #expect(node.end() == 1)
    #expect(node.errors.contains("ended without waiting any longer for broken"))
  }

  @Test func aRoleThatWaitsOnTheSameLoopMovesToAnother() throws {
    _ = machine.plugin("broken", ["-DCASE_START_HANGS"])
    machine.manifest([
      // Long enough for the other to be loaded, and to wait behind it, before it is known to hang.
      "role: broken, limits: { start_ms: 1500 }", "role: hello-c",
      "role: hello-swift, limits: { start_ms: 3000 }, restart: { backoff_ms: 10 }",
    ])
    let node = try machine.ready()
    #expect(node.errors.contains("hello-swift: its loop was held by `broken` for 3000 ms"), "\(node.errors)")
    let moved = try machine.role("hello-swift")
    #expect(moved["state"] == "running" && moved["loop"] == 2, "\(moved)")
    #expect(machine.hostctl("call", "hello-swift", "add", "1", "2").output == "3\n")
    node.send(SIGTERM)
    #expect(node.end() == 1)
  }

  @Test func aStartThatTakesLongerThanItMayIsWelcomeAllTheSame() throws {
    _ = machine.plugin("broken", ["-DSTART_TAKES_MS=700"])
    machine.manifest([
      "role: broken, limits: { start_ms: 100 }", "role: hello-c, needs: [broken], restart: { backoff_ms: 50 }",
    ])
    let node = machine.start("node.yaml")
    try node.waits(for: "broken: create or start has not returned after 100 ms")
    try node.waits(for: "broken: running")
    try node.waits(for: "hello-c: running")
    let role = try machine.role("broken")
    #expect(role["health"] == "ok" && role["reason"] == "", "\(role)")
    node.send(SIGTERM)
    #expect(node.end() == 0)
  }

  @Test func restartingARoleThatHangsSaysSoAndHappensOnceItReturns() throws {
    _ = machine.plugin("broken")
    machine.manifest(["role: broken, limits: { drain_ms: 50 }", "role: hello-c"])
    let node = try machine.ready()
    _ = try machine.call("broken", "nap", ["3000"])
    let restarted = machine.hostctl("restart", "broken")
    #expect(restarted.code == 1)
    #expect(restarted.errors.contains("a callback, stop or destroy has not returned after 2000 ms"), "\(restarted.all)")
    #expect(machine.hostctl("call", "hello-c", "add", "1", "2").output == "3\n")
    try node.waits(for: "broken: running (broken 1.0.0, generation 2)")
  }

  @Test func textOfARoleCannotForgeALineOfTheLog() throws {
    _ = machine.plugin(
      "broken", ["-DCASE_START_FAILS", #"-DSTART_FAILURE="away\n2026-01-01T00:00:00.000Z info    node: all is well""#])
    machine.manifest(["role: broken, restart: { policy: never }"])
    let node = try machine.ready()
    #expect(node.errors.contains("broken: start: UNAVAILABLE: away\\n2026-01-01"), "\(node.errors)")
    #expect(!node.errors.split(separator: "\n").contains { $0.hasPrefix("2026-01-01") })
  }

  @Test func aCreateThatHangsCostsOnlyItsTrial() throws {
    _ = machine.plugin("broken", ["-DCASE_CREATE_HANGS"])
    machine.manifest(["role: broken, restart: { policy: never }", "role: hello-c"])
    let node = try machine.ready()
    #expect(node.errors.contains("was still creating `broken` after 2000 ms in a trial process"))
    #expect(node.errors.contains("1 of 2 roles are running"))
    node.send(SIGTERM)
    #expect(node.end() == 0)
  }

  @Test func aPluginNamedByItsPathLoadsInDevelopmentOnly() throws {
    let elsewhere = machine.path("elsewhere.so")
    #expect(rename(machine.plugin("broken"), elsewhere) == 0)
    machine.manifest(["role: hello-c"], plugins: "folders: [\(Place.products)], hot_swap: on")
    let node = try machine.ready()
    let refused = machine.hostctl("load", "--role", "broken", "--plugin", elsewhere)
    #expect(refused.code == 1 && refused.errors.contains("outside the plugin folders"), "\(refused.all)")
    node.send(SIGTERM)
    #expect(node.end() == 0)

    _ = try machine.ready("node.yaml", "--dev")
    let loaded = machine.hostctl("load", "--role", "broken", "--plugin", elsewhere, "--name", "mine")
    #expect(loaded.code == 0, "\(loaded.all)")
    #expect(machine.hostctl("call", "mine", "stale").code == 0)
  }
}
