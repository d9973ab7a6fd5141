import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// kill -9 while a role is being swapped: the next start has one of the two builds, whole, with its state.
@Suite struct SwapKillTests {
  let machine = Machine()
  private static let count = 7

  /// A node whose role has counted, and has saved that.
  private func begin(_ first: String) throws -> Child {
    machine.install(first)
    machine.manifest(["role: swapper, limits: { probation_ms: 50 }"], plugins: Machine.whereOn)
    let node = try machine.ready()
    for count in 1...Self.count { #expect(machine.ask("next") == count) }
    return node
  }

  private func killAndStart(_ node: Child) throws -> Child {
    node.send(SIGKILL)
    #expect(node.end() == 128 + SIGKILL)
    return try machine.ready()
  }

  private func expectWhole(_ builds: [Int], _ what: String, place: SourceLocation = #_sourceLocation) throws {
    let role = try machine.role("swapper", place: place)
    #expect(role["state"] == "running" && role["health"] == "ok", "\(what): \(role)", sourceLocation: place)
    let build = machine.ask("build")
    #expect(builds.contains(build ?? 0), "\(what): build \(build ?? 0)", sourceLocation: place)
    #expect(role["version"] == .string("1.0.\(build ?? 0)"), sourceLocation: place)
    #expect(machine.ask("count") == Self.count, "\(what)", sourceLocation: place)
  }

  struct Step: CustomTestStringConvertible, Sendable {
    var name: String
    /// Whether it is the old build that is caught there.
    var isOld = false
    var trial = 0
    /// How often it passes there before.
    var skips = 0
    /// The build that the next start has.
    var build: Int
    var testDescription: String { "\(name)\(isOld ? " of the old build" : "")\(trial == 1 ? " in the trial" : "")" }
  }

  static let steps = [
    Step(name: "query", trial: 1, build: 2),
    Step(name: "create", trial: 1, build: 2),
    Step(name: "load", trial: 1, build: 2),
    Step(name: "query", build: 2),
    Step(name: "create", build: 1),
    // The state is saved once before anything is tried, and once for the new build.
    Step(name: "save", isOld: true, skips: 1, build: 1),
    Step(name: "load", build: 1),
    Step(name: "start", build: 1),
    Step(name: "stop", isOld: true, build: 2),
    Step(name: "destroy", isOld: true, build: 2),
  ]

  /// The build waits at the step for ever, the first time that it comes there, and is killed.
  @Test(arguments: steps)
  func atEachStep(_ step: Step) throws {
    let mark = machine.path("mark")
    let trap = [
      "-DAT=\"\(step.name)\"", "-DDOES=HANG", "-DIN_TRIAL=\(step.trial)", "-DMARK=\"\(mark)\"", "-DSKIPS=\(step.skips)",
    ]
    let next = machine.swapper(2, step.isOld ? [] : trap)
    var node = try begin(machine.swapper(1, step.isOld ? trap : []))
    machine.install(next)
    for _ in 0..<5000 where !machine.exists(mark) { usleep(1000) }
    try #require(machine.exists(mark), "\(node.errors)")
    node = try killAndStart(node)
    try expectWhole([step.build], "\(step)")
    // And it goes on from there.
    machine.install(3)
    try node.waits(for: "swapper: swapped: 1.0.3")
    try expectWhole([3], "after \(step)")
  }

  /// The same at moments that nobody chose.
  @Test func atAnyMoment() throws {
    let seed = getenv("NODEHOST_SEED").flatMap { UInt64(String(cString: $0)) } ?? 1
    var numbers = SeededNumbers(seed: seed)
    let builds = (1...2).map { machine.swapper($0, ["-DSTATE_BYTES=200000"]) }
    var node = try begin(builds[0])
    node.send(SIGTERM)
    #expect(node.end() == 0)
    node = try machine.ready()
    var seen: [Int: Int] = [:]
    for round in 1...(wantsLongTests ? 300 : 12) {
      let build = try #require(machine.ask("build"))
      machine.install(builds[2 - build])
      // The file is noticed after 30 ms, and all of it takes hardly more than as long again.
      let wait = 20_000 + UInt32.random(in: 0..<80_000, using: &numbers)
      usleep(wait)
      node = try killAndStart(node)
      try expectWhole([1, 2], "round \(round) of seed \(seed), killed after \(wait) µs")
      seen[try #require(machine.ask("build")) == build ? 0 : 1, default: 0] += 1
      // What was given up for lost may be tried again.
      if try !machine.history().quarantine.isEmpty { _ = machine.hostctl("swap", "swapper", "--force") }
    }
    #expect(seen.values.reduce(0, +) >= 12, "seed \(seed): \(seen)")
  }
}
