import CNodeABI
import Glibc
import HostCore
@testable import HostRuntime
import NodeValues
import Testing

@Suite struct NodeTests {
  func expectError(
    _ outcome: CallOutcome, _ status: nh_status, _ words: String, at place: SourceLocation = #_sourceLocation
  ) {
    guard case .error(let found, let message) = outcome else {
      Issue.record("it answered \(outcome)", sourceLocation: place)
      return
    }
    #expect(found == status, sourceLocation: place)
    #expect(message.contains(words), "\(message)", sourceLocation: place)
  }

  func expectValue(_ outcome: CallOutcome, _ expected: Value, at place: SourceLocation = #_sourceLocation) {
    guard case .value(let value) = outcome else {
      Issue.record("it failed: \(outcome)", sourceLocation: place)
      return
    }
    #expect(value == expected, sourceLocation: place)
  }

  static let retried =
    "{ role: broken, name: b, restart: { policy: on-failure, backoff_ms: 10, backoff_limit_ms: 20, limit: 3 } }"

  @Test func everyTypeArrivesAsItWasSent() throws {
    let live = LiveNode(BrokenPlugin(), [LiveNode.role()])
    let extremes: [Value] = [
      .int(Int64(Int32.min)), .unsigned(UInt64(UInt32.max)), .int(.min), .unsigned(.max), .double(0.5), .bool(true),
      .text("tëxt"), .bytes(Array("-bytes-".utf8)), .json("{\"a\":1}"),
    ]
    expectValue(try live.call("all", extremes), .text("tëxt-bytes-{\"a\":1}"))
    var changed = extremes
    changed[6...8] = [.text(""), .bytes([]), .json("")]
    expectValue(try live.call("all", changed), .text(""))
  }

  @Test func aMisbehavingMethodIsAnsweredForAndNamed() throws {
    let live = LiveNode(BrokenPlugin(), [LiveNode.role()])
    expectValue(try live.call("stale"), .int(Int64(NH_NOT_FOUND)))
    expectValue(try live.call("twice"), .int(1))
    expectError(try live.call("wrong_type"), NH_INTERNAL, "b.wrong_type answered with the wrong type")
    #expect(
      live.lines(NH_LOG_MISUSE).contains { $0.contains("wrong_type answers with text, and its signature says int") })
    #expect(live.state() == .running)
  }

  @Test func aCallThatIsNeverAnsweredEndsAtItsDeadline() throws {
    let live = LiveNode(BrokenPlugin(), [LiveNode.role()])
    expectError(
      try live.call("forget", timeoutMilliseconds: 30), NH_DEADLINE_EXCEEDED, "b.forget did not answer in time")
  }

  @Test func aFullQueueShedsInsteadOfGrowing() throws {
    let live = LiveNode(BrokenPlugin(), [LiveNode.role("b", plugin: "broken", "limits: { queue: 4 }")])
    let instance = try live.instance()
    let nap = try #require(instance.method("nap"))
    let outcomes = (0..<20).map { _ in Holder<CallOutcome>() }
    for outcome in outcomes {
      RoleCall(instance, nap, PackedValues([.int(20)]), deadline: 0) { outcome.put($0) }.send()
    }
    eventually("all calls have ended") { outcomes.allSatisfy { $0.take() != nil } }
    let shed = outcomes.count {
      if case .error(NH_RESOURCE_EXHAUSTED, _) = $0.take() { true } else { false }
    }
    #expect((10...16).contains(shed), "\(shed) of 20 were shed")
  }

  @Test func aRoleThatFailsToStartLeavesTheOthersRunning() throws {
    let plugin = BrokenPlugin(["-DCASE_START_FAILS"])
    let good = BrokenPlugin()
    run(["cp", good.path, "\(plugin.folder)/libgood.so"])
    let live = LiveNode(plugin, [LiveNode.role("bad"), LiveNode.role("good", plugin: "good")])
    #expect(
      live.state("bad") == .failed(reason: "start: UNAVAILABLE: the database is away", retries: false))
    expectValue(try live.call("twice", on: "good"), .int(1))
  }

  @Test func aRoleThatGivesUpIsTriedAgainAsOftenAsAllowed() {
    let live = LiveNode(BrokenPlugin(["-DCASE_FAULTS_SOON"]), [Self.retried])
    eventually("it stays failed") {
      live.state() == .failed(reason: "it gave up: DATA_LOSS: the disk is gone", retries: false)
    }
    #expect(live.onControl { $0.role("b")!.generation } == 4)
  }

  @Test func rolesStartAfterWhatTheyNeedAndFailWithIt() {
    let plugin = BrokenPlugin()
    let bad = BrokenPlugin(["-DCASE_START_FAILS"])
    run(["cp", bad.path, "\(plugin.folder)/libbad.so"])
    let live = LiveNode(
      plugin,
      [
        LiveNode.role("third", plugin: "broken", "needs: [second]"),
        LiveNode.role("second", plugin: "broken", "needs: [first]"), LiveNode.role("first"),
        LiveNode.role("orphan", plugin: "broken", "needs: [bad]"), LiveNode.role("bad", plugin: "bad"),
      ])
    let started = live.lines(NH_LOG_INFO).filter { $0.contains("running (broken") }.map { $0.prefix { $0 != ":" } }
    #expect(started == ["first", "second", "third"])
    #expect(live.state("orphan") == .failed(reason: "it needs `bad`, which is not running", retries: false))
  }

  @Test func drainingWaitsForOpenCallsAndThenEndsThem() throws {
    let live = LiveNode(BrokenPlugin(), [LiveNode.role("b", plugin: "broken", "limits: { drain_ms: 100 }")])
    let instance = try live.instance()
    let outcome = Holder<CallOutcome>()
    RoleCall(instance, try #require(instance.method("forget")), PackedValues([]), deadline: 0) { outcome.put($0) }
      .send()
    usleep(20_000)
    live.onControl { $0.restart($0.role("b")!) }
    eventually("the call is answered for the role") { outcome.take() != nil }
    expectError(try #require(outcome.take()), NH_UNAVAILABLE, "b has stopped")
    eventually("it runs again") { live.state() == .running }
    #expect(live.onControl { $0.role("b")!.generation } == 2)
    #expect(live.lines(NH_LOG_WARNING).contains { $0.contains("still has open calls after 100 ms") })
  }

  @Test func aHangingRoleShowsInItsHealthAndHoldsNobodyElseUp() throws {
    let live = LiveNode(BrokenPlugin(), [LiveNode.role("stuck"), LiveNode.role("free")])
    let stuck = try live.instance("stuck")
    RoleCall(stuck, try #require(stuck.method("nap")), PackedValues([.int(1500)]), deadline: 0) { _ in }.send()
    usleep(20_000)
    let health = Holder<[HealthReport.Entry]>()
    live.onControl { node in node.gatherHealth(of: node.roles) { health.put($0) } }
    expectValue(try live.call("twice", on: "free"), .int(1))
    eventually("health is known") { health.take() != nil }
    #expect(health.take()?.first { $0.name == "free" }?.health == .ok)
    #expect(health.take()?.first { $0.name == "stuck" }?.reason.contains("a callback is still running") == true)
  }
}
