import CNodeABI
import Glibc
import HostCore
@testable import HostRuntime
import NodeValues
import Testing

/// Swaps of a small C role inside a node: what goes over, what waits, and what happens when the new build is no good.
@Suite struct SwapTests {
  let plugin = TallyPlugin()

  // MARK: What goes over

  @Test func stateTimersAndSubscriptionsGoOver() throws {
    plugin.build(1, "-DTICK_MS=60000")
    let live = plugin.node()
    #expect(try live.call("add", [.int(5)], on: "b") == .value(.int(5)))
    live.node.services.bus.publish("tally.x", source: "test", payload: [])
    usleep(250_000)
    plugin.build(2, "-DTICK_MS=60000")
    let member = try #require(try live.swap(["b"]).get().first)
    #expect(try live.call("build", on: "b") == .value(.int(2)))
    #expect(try live.call("add", [.int(1)], on: "b") == .value(.int(6)))
    #expect(member.generation == 2 && member.stateBytes == 5)
    // The minute began before the swap.
    guard case .value(.int(let left)) = try live.call("remaining", on: "b") else { return #expect(Bool(false)) }
    #expect((30_000...59_750).contains(left), "\(left)")
    live.node.services.bus.publish("tally.y", source: "test", payload: [])
    #expect(try live.call("heard", on: "b") == .value(.int(2)))
  }

  @Test func whatTheNewBuildDoesNotAskForAgainEnds() throws {
    let live = plugin.node()
    plugin.build(2, "-DDEAF", "-DTICK_MS=60000")
    _ = try live.swap(["b"]).get()
    let ticks = try live.call("ticked", on: "b")
    live.node.services.bus.publish("tally.x", source: "test", payload: [])
    usleep(500_000)
    #expect(try live.call("heard", on: "b") == .value(.int(0)))
    #expect(try live.call("ticked", on: "b") == ticks)
    let seat = try live.instance().seat
    live.endProbation("b")
    #expect(live.onLoop(seat) { $0.timers.count == 1 && $0.subscriptions.count == 0 })
  }

  @Test func stateGoesUpAndDownInVersion() throws {
    let live = plugin.node()
    _ = try live.call("add", [.int(3)], on: "b")
    plugin.build(2, "-DSTATE_VERSION=2")
    _ = try live.swap(["b"]).get()
    plugin.build(1, "-DEXTRA=1", "-DSTATE_VERSION=1")
    _ = try live.swap(["b"]).get()
    #expect(try live.call("add", [.int(1)], on: "b") == .value(.int(4)))
  }

  @Test func methodsAreFoundByNameThoughTheyHaveMoved() throws {
    let live = plugin.node()
    let old = try live.instance()
    plugin.build(2, "-DWITHOUT_EXTRA")
    _ = try live.swap(["b"]).get()
    // Calls that were prepared for the old build.
    #expect(live.call(old, "build") == .value(.int(2)))
    guard case .error(NH_UNIMPLEMENTED, _) = live.call(old, "extra") else { return #expect(Bool(false)) }
  }

  // MARK: Calls under way

  @Test func callsUnderWayEndOnTheOldBuildAndNewOnesWaitForTheNew() throws {
    let live = plugin.node()
    plugin.build(2)
    let slow = live.send("later", [.int(200)])
    usleep(20_000)
    let swap = live.beginSwap(["b"])
    usleep(100_000)
    let waiting = live.send("build")
    #expect(slow.outcome() == .value(.int(1)))
    #expect(waiting.outcome() == .value(.int(2)))
    _ = try swap.outcome().get()
  }

  @Test func atTheLimitIdempotentCallsAreMadeAgainAndOthersEnd() throws {
    let live = plugin.node("limits: { swap_ms: 50, call_timeout_ms: 5000 }")
    plugin.build(2, "-DLATER_FLAGS=NH_METHOD_IDEMPOTENT")
    let lost = live.send("later", [.int(20_000)])
    usleep(20_000)
    _ = try live.swap(["b"]).get()
    guard case .error(NH_UNAVAILABLE, let reason) = lost.outcome() else { return #expect(Bool(false)) }
    #expect(reason.contains("was swapped before it answered"))
    plugin.build(3)
    let again = live.send("later", [.int(2_000)])
    usleep(20_000)
    _ = try live.swap(["b"]).get()
    #expect(again.outcome() == .value(.int(3)), "made again on the new build")
  }

  @Test func callsBetweenRolesSurviveASwapOfEitherSide() throws {
    let live = plugin.node(others: ["c"])
    plugin.build(2)
    let asked = live.send("ask", [.text("c"), .int(150)])
    usleep(20_000)
    _ = try live.swap(["c"]).get()
    #expect(asked.outcome() == .value(.int(1)), "c ended it on its old build")
    let asking = live.send("ask", [.text("c"), .int(150)])
    usleep(20_000)
    _ = try live.swap(["b"]).get()
    #expect(asking.outcome() == .value(.int(2)), "b waited for its own question")
  }

  // MARK: Builds that are no good

  @Test(arguments: [
    ("-DCREATE_FAILS_IN_HOST", "create: INTERNAL: not in this house"),
    ("-DSTART_FAILS", "start: UNAVAILABLE: it does not like mornings"),
    ("-DGIVES_UP_IN_START", "it gave up while it started"),
    ("-DONLY_VERSION=9", "refuses the state of `b`, version 1: load: INVALID_ARGUMENT: too new for me"),
    ("-DSTATELESS", "the running build saves its state, and the new one cannot load any"),
  ])
  func theOldBuildServesOnIfTheNewOneFails(_ fault: String, _ reason: String) throws {
    let live = plugin.node()
    _ = try live.call("add", [.int(5)], on: "b")
    let before = try live.instance()
    plugin.build(2, fault)
    guard case .failure(let failure) = live.swap(["b"]) else { return #expect(Bool(false), "it was swapped") }
    #expect(failure.reason.contains(reason), "\(failure.reason)")
    #expect(try live.instance() === before)
    #expect(try live.call("add", [.int(1)], on: "b") == .value(.int(6)))
    let seat = before.seat
    #expect(live.onLoop(seat) { $0.timers.count == 1 && $0.subscriptions.count == 1 })
    usleep(450_000)
    guard case .value(.int(let ticks)) = try live.call("ticked", on: "b") else { return #expect(Bool(false)) }
    #expect(ticks >= 1, "its timer goes on")
  }

  @Test func aBuildThatFailedIsNotTriedAgainUnlessForced() throws {
    let live = plugin.node()
    plugin.build(2, "-DSTART_FAILS")
    #expect(throws: SwapFailure.self) { try live.swap(["b"]).get() }
    guard case .failure(let second) = live.swap(["b"]) else { return #expect(Bool(false)) }
    #expect(second.reason.contains("is a build that failed before (start: UNAVAILABLE"), "\(second.reason)")
    guard case .failure(let third) = live.swap(["b"], isForced: true) else { return #expect(Bool(false)) }
    #expect(third.reason.contains("mornings") && !third.reason.contains("failed before"))
    let outcomes = live.onControl { $0.role("b")!.history.generations.map(\.outcome.name) }
    #expect(outcomes == ["running", "refused", "refused"])
  }

  @Test(arguments: [
    ("-DGIVES_UP_MS=100", "it gave up: DATA_LOSS: the new way does not work"),
    ("-DSICK", "its health is failed: it aches"),
  ])
  func aBuildThatFailsOnProbationGoesBack(_ fault: String, _ reason: String) throws {
    let live = plugin.node()
    _ = try live.call("add", [.int(5)], on: "b")
    let before = try live.instance()
    plugin.build(2, fault)
    _ = try live.swap(["b"]).get()
    _ = try live.call("add", [.int(1)], on: "b")
    live.waits { $0.role("b")?.swap == nil }
    #expect(try live.instance() === before)
    #expect(try live.call("build", on: "b") == .value(.int(1)))
    #expect(try live.call("add", [.int(1)], on: "b") == .value(.int(6)), "with the state that it had")
    #expect(live.lines(NH_LOG_ERROR).contains { $0.contains("back to generation 1") && $0.contains(reason) })
    usleep(450_000)
    guard case .value(.int(let ticks)) = try live.call("ticked", on: "b") else { return #expect(Bool(false)) }
    #expect(ticks >= 1, "its timer goes on")
    live.node.services.bus.publish("tally.x", source: "test", payload: [])
    #expect(try live.call("heard", on: "b") == .value(.int(1)))
    let history = live.onControl { $0.role("b")!.history }
    #expect(history.generations.map(\.outcome.name) == ["running", "reverted"])
    #expect(history.quarantine.count == 1)
  }

  @Test func withoutStateARoleBeginsAnewOnlyIfItMay() throws {
    plugin.build(1, "-DSTATELESS")
    let strict = plugin.node()
    plugin.build(2, "-DSTATELESS")
    guard case .failure(let failure) = strict.swap(["b"]) else { return #expect(Bool(false)) }
    #expect(failure.reason.contains("keeps no state over a swap") && failure.reason.contains("cold_start: on"))
    let lenient = plugin.node("cold_start: on")
    plugin.build(3, "-DSTATELESS")
    _ = try lenient.swap(["b"]).get()
    #expect(try lenient.call("build", on: "b") == .value(.int(3)))
  }

  // MARK: Several at once, and one after the other

  @Test func severalRolesGoTogetherOrNotAtAll() throws {
    let live = plugin.node(others: ["c", "d"])
    plugin.build(2)
    #expect(Set(try live.swap(["b", "c", "d"]).get().map(\.name)) == ["b", "c", "d"])
    for name in ["b", "c", "d"] { #expect(try live.call("build", on: name) == .value(.int(2))) }
    plugin.build(3, "-DSTART_FAILS")
    #expect(throws: SwapFailure.self) { try live.swap(["b", "c", "d"]).get() }
    for name in ["b", "c", "d"] { #expect(try live.call("build", on: name) == .value(.int(2))) }
  }

  @Test func twoSwapsInQuickSuccessionBothHappen() throws {
    let live = plugin.node()
    _ = try live.call("add", [.int(5)], on: "b")
    plugin.build(2)
    let first = live.beginSwap(["b"])
    let second = live.beginSwap(["b"], isForced: true)
    #expect(try first.outcome().get().map(\.generation) == [2])
    #expect(try second.outcome().get().map(\.generation) == [3])
    #expect(try live.call("add", [.int(1)], on: "b") == .value(.int(6)))
    #expect(try live.swap(["b"]).get().isEmpty, "it runs this build already")
  }

  @Test func rollingBackTakesTheEarlierBuildWithTheState() throws {
    let live = plugin.node()
    plugin.build(2)
    _ = try live.swap(["b"]).get()
    _ = try live.call("add", [.int(9)], on: "b")
    live.endProbation("b")
    let outcome = Holder<ControlReply>(), done = Flag()
    live.control.post { [node = live.node] in
      node.rollBack(node.role("b")!, to: nil) {
        outcome.put($0)
        done.raise()
      }
    }
    done.wait("the roll-back ends")
    #expect(try live.call("build", on: "b") == .value(.int(1)))
    #expect(try live.call("add", [.int(1)], on: "b") == .value(.int(10)))
  }

  @Test func aRestartDuringProbationStartsTheNewBuildWithTheState() throws {
    let live = plugin.node()
    _ = try live.call("add", [.int(5)], on: "b")
    plugin.build(2)
    _ = try live.swap(["b"]).get()
    live.onControl { $0.restart($0.role("b")!) }
    live.waits { $0.role("b")?.state == .running && $0.role("b")?.generation == 3 }
    #expect(try live.call("build", on: "b") == .value(.int(2)))
    #expect(try live.call("add", [.int(1)], on: "b") == .value(.int(6)))
  }
}

/// Builds of the fixture, each over the one before.
final class TallyPlugin {
  let folder = Place.temporaryFolder()

  init() { build(1) }
  deinit { run(["rm", "-rf", folder]) }

  func build(_ number: Int, _ defines: String...) {
    let (code, output) = run(
      [
        "cc", "-std=gnu11", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-I",
        "\(Place.repository)/SDK/CNodeABI/include", "-o", "\(folder)/libtally.so", "-DBUILD=\(number)",
      ] + defines + ["\(Place.repository)/Tests/Fixtures/tally.c"])
    precondition(code == 0, output)
  }

  /// A node with the role `b`, and others beside it. Swaps come only when asked for.
  func node(_ more: String = "", others: [String] = []) -> LiveNode {
    let tail = more.isEmpty ? "" : ", \(more)"
    let roles = (["b"] + others).map { "{ role: tally, name: \($0), restart: { policy: never }\(tail) }" }
    let live = LiveNode(folders: [folder], roles)
    live.onControl {
      $0.watcher?.close()
      $0.watcher = nil
    }
    return live
  }
}

/// Something under way, and how it came out.
final class Pending<Content: Sendable>: Sendable {
  private let content = Holder<Content>()
  private let done = Flag()

  func end(_ value: Content) {
    content.put(value)
    done.raise()
  }

  func outcome() -> Content {
    done.wait("it ends")
    return content.take()!
  }
}

extension LiveNode {
  struct Swapped: Sendable {
    var name: String
    var generation: Int
    var stateBytes: Int?
  }

  func beginSwap(_ names: [String], isForced: Bool = false) -> Pending<Result<[Swapped], SwapFailure>> {
    let pending = Pending<Result<[Swapped], SwapFailure>>()
    control.post { [node] in
      node.swap(names.map { node.role($0)! }, from: .named, cause: .swap, isForced: isForced) { _, outcome in
        pending.end(
          outcome.map { $0.map { Swapped(name: $0.name, generation: $0.generation, stateBytes: $0.stateBytes) } })
      }
    }
    return pending
  }

  func swap(_ names: [String], isForced: Bool = false) -> Result<[Swapped], SwapFailure> {
    beginSwap(names, isForced: isForced).outcome()
  }

  func endProbation(_ name: String) {
    onControl { node in
      if let swap = node.role(name)?.swap { node.handle(.probationOver, swap) }
    }
  }

  /// A call from outside to whoever serves.
  func send(_ method: String, _ values: [Value] = [], on name: String = "b") -> Pending<CallOutcome> {
    send(node.services.directory.find(name)!, method, values)
  }

  func send(_ instance: RoleInstance, _ method: String, _ values: [Value] = []) -> Pending<CallOutcome> {
    let pending = Pending<CallOutcome>()
    let deadline = EventLoop.now() + callMilliseconds * 1_000_000
    RoleCall(instance, instance.method(method)!, PackedValues(values), deadline: deadline) { pending.end($0) }.send()
    return pending
  }

  func call(_ instance: RoleInstance, _ method: String) -> CallOutcome { send(instance, method).outcome() }

  func onLoop<Answer: Sendable>(_ seat: RoleSeat, _ question: @escaping @Sendable (RoleSeat) -> Answer) -> Answer {
    let pending = Pending<Answer>()
    seat.loop.post { pending.end(question(seat)) }
    return pending.outcome()
  }

  /// Waits until it holds.
  func waits(_ condition: @escaping @Sendable (Node) -> Bool, place: SourceLocation = #_sourceLocation) {
    if !comesTrue({ onControl(condition) }) { Issue.record("it never came to that", sourceLocation: place) }
  }
}
