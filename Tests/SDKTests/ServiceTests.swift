import NodeTesting
import Testing

/// The services, as a Swift role sees them.
@Suite struct ServiceTests {
  /// A role that does in `start` what the test says.
  final class Probe: Role, Stateful, Reconfigurable, Drainable, Stoppable, HealthReporting {
    struct Config: RoleConfig { @Setting("A number.") var number = 1 }
    static let about = About("probe", version: "1.0.0", "Does what tests say.")
    static let topics = [Topic("probe.said", "What it said.")]
    static let stateVersion = 3
    @TaskLocal static var onStart: (@Sendable (Probe) throws -> Void)?

    let context: RoleContext
    var config: Config
    var heard: [String] = []
    var metrics: (Counter, Gauge, Histogram)?
    init(_ context: RoleContext, _ config: Config) throws {
      if config.number < 0 { throw RoleError(.invalidArgument, "no negative numbers", at: "/number") }
      self.context = context
      self.config = config
    }
    func start() throws { try Probe.onStart?(self) }
    func reconfigure(_ config: Config) throws {
      if config.number == 13 { throw RoleError(.invalidArgument, "not 13", at: "/number") }
      self.config = config
    }
    func drain() { heard.append("drain") }
    func stop() { context.log.info("stop after \(heard)") }
    func health() -> Health { config.number == 2 ? .degraded("two") : config.number == 3 ? .failed("three") : .ok }
    func save() -> Config { config }
    func load(_ state: Config, version: Int) throws {
      if version > 3 { throw RoleError(.failedPrecondition, "version \(version) is too new; update the role") }
      config = state
    }
  }

  func started(_ config: JSON = [:], _ body: @escaping @Sendable (Probe) throws -> Void = { _ in }) throws -> (
    FakeHost, Probe
  ) {
    let host = try FakeHost(Probe.self, config: config)
    try Probe.$onStart.withValue(body) { try host.start() }
    return (host, try #require(host.role(as: Probe.self)))
  }

  @Test func timersComeInOrder() throws {
    let (host, probe) = try started { probe in
      try probe.context.timer.once(after: .seconds(3)) { probe.heard.append("once") }
      let beat = try probe.context.timer.every(.seconds(2), after: .zero) { probe.heard.append("beat") }
      try probe.context.timer.once(after: .seconds(5)) {
        #expect(beat.remaining == .seconds(1))
        beat.cancel()
        beat.cancel()
        #expect(beat.remaining == nil)
      }
    }
    #expect(probe.heard == ["beat"])
    host.clock.advance(by: .seconds(60))
    #expect(probe.heard == ["beat", "beat", "once", "beat"])
    #expect(host.clock.pending == 0 && host.misuse.isEmpty)
  }

  @Test func aThrowingClosureIsLogged() throws {
    let (host, _) = try started { probe in
      try probe.context.timer.once(after: .seconds(1)) { throw RoleError(.dataLoss, "lost it") }
    }
    host.clock.advance(by: .seconds(1))
    #expect(
      host.log.last == LogLine(level: .error, message: "a timer's closure failed: lost it", fields: ["status": 15]))
  }

  @Test func limitsAreErrors() throws {
    let (host, probe) = try started { probe in
      #expect(throws: RoleError.self) { try probe.context.timer.every(.microseconds(999)) {} }
      for _ in 0..<1_024 { try probe.context.timer.once(after: .seconds(1)) {} }
      let error = #expect(throws: RoleError.self) { try probe.context.timer.once(after: .seconds(1)) {} }
      #expect(error?.status == .resourceExhausted)
    }
    host.clock.advance(by: .seconds(1))
    #expect(throws: Never.self) { try probe.context.timer.once(after: .seconds(1)) {} }
  }

  @Test func subscriptionsMatchWholeWords() throws {
    let (host, probe) = try started { probe in
      try probe.context.bus.subscribe("a.b") { probe.heard.append("a.b \($0.text) from \($0.source)") }
      try probe.context.bus.subscribe("a.*") { probe.heard.append("a.* \($0.topic) \($0.sequence)") }
      for bad in ["", "a..b", "*", "a.*.b", "a*"] {
        #expect(throws: RoleError.self, "\(bad)") { try probe.context.bus.subscribe(bad) { _ in } }
      }
    }
    host.publish("a.b", "1", from: "tester")
    host.publish("a.c", "2")
    host.publish("a", "3")
    host.publish("ab.c", "4")
    host.publish("a.b", ["n": 5] as JSON)
    #expect(probe.heard == ["a.b 1 from tester", "a.* a.b 1", "a.* a.c 1", "a.b {\"n\":5} from test", "a.* a.b 2"])
  }

  @Test func publishesDeclaredTopicsOnly() throws {
    let (host, probe) = try started { probe in
      let mine = try probe.context.bus.subscribe("probe.*") { probe.heard.append($0.text) }
      try probe.context.bus.publish("probe.said", "hello")
      #expect(probe.heard.isEmpty, "delivery is asynchronous")
      let error = #expect(throws: RoleError.self) { try probe.context.bus.publish("probe.other", "x") }
      #expect(error?.message == "the role did not declare the topic probe.other; add it to `topics`")
      try probe.context.timer.once(after: .seconds(1)) { mine.cancel() }
    }
    #expect(probe.heard == ["hello"])
    host.clock.advance(by: .seconds(1))
    try probe.context.bus.publish("probe.said", ConfigTests.Upstream(setting: ["address": "x"], at: ""))
    #expect(host.published.map(\.text) == ["hello", #"{"address":"x","weight":1}"#])
    #expect(try host.published[1].decode(ConfigTests.Upstream.self).address == "x")
    #expect(probe.heard == ["hello"] && host.misuse.isEmpty)
  }

  @Test func callsOtherRoles() throws {
    let (host, probe) = try started()
    host.stub("calculator", "add") { (a: Int, b: Int) in a + b }
    host.stub("calculator", "slow", after: .seconds(3)) { () -> String in "done" }
    host.stub("calculator", "fail") { () -> Int in throw RoleError(.aborted, "lost a race") }
    var results: [String] = []
    func show<T>(_ result: Result<T, RoleError>) {
      switch result {
      case .success(let value): results.append("\(value)")
      case .failure(let error): results.append("\(error.status)")
      }
    }
    let roles = probe.context.roles
    try roles.call("calculator", "add", 2, 40) { (sum: Result<Int, RoleError>) in show(sum) }
    try roles.call("calculator", "add", 2, 40) { (sum: Result<String, RoleError>) in show(sum) }
    try roles.call("calculator", "add", 2) { (sum: Result<Int, RoleError>) in show(sum) }
    try roles.call("calculator", "fail") { (sum: Result<Int, RoleError>) in show(sum) }
    try roles.call("nobody", "add", node: "node-b") { (sum: Result<Int, RoleError>) in show(sum) }
    #expect(results.isEmpty, "always asynchronous")
    host.clock.advance(by: .zero)
    #expect(results == ["42", "invalid argument", "invalid argument", "aborted", "not found"])
    results = []
    try roles.call("calculator", "slow", timeout: .seconds(2)) { (text: Result<String, RoleError>) in show(text) }
    try roles.call("calculator", "slow", timeout: .seconds(4)) { (text: Result<String, RoleError>) in show(text) }
    let given = try roles.call("calculator", "slow") { (text: Result<String, RoleError>) in show(text) }
    given.cancel()
    host.clock.advance(by: .seconds(5))
    #expect(results == ["cancelled", "deadline exceeded", "done"])
    #expect(
      host.outgoing[0] == RecordedCall(target: "calculator", method: "add", node: "", arguments: [.int(2), .int(40)]))
    #expect(host.outgoing[4].node == "node-b" && host.clock.pending == 0 && host.misuse.isEmpty)
    #expect(try roles.list() == [["name": "calculator", "state": "running"]])
  }

  @Test func countsMetrics() throws {
    let (host, probe) = try started { probe in
      let metrics = probe.context.metrics
      let counter = metrics.counter("hits_total", "Hits.", labels: ["code": "200", "a": "b"])
      let gauge = metrics.gauge("level", "Level.")
      let histogram = metrics.histogram("took_seconds", "Time.", bounds: [0.1, 1])
      probe.metrics = (counter, gauge, histogram)
      counter.add()
      counter.add(2)
      gauge.set(5)
      gauge.add(-1.5)
      histogram.observe(.milliseconds(1500))
      metrics.gauge("hits total", "A bad name.").set(1)
    }
    #expect(host.metric("hits_total", labels: ["a": "b", "code": "200"])?.value == 3)
    #expect(host.metric("level")?.value == 3.5)
    #expect(host.metric("took_seconds")?.observations == [1.5])
    #expect(host.log.last?.message.hasPrefix("the metric hits total failed") == true)
    #expect(host.misuse.isEmpty)
    probe.metrics?.0.add(-1)
    #expect(host.misuse == ["nh_metrics_service.add: a counter never falls, and this adds -1.0"])
    let kept = probe.metrics
    host.destroy()
    kept?.0.add()
    #expect(host.misuse.count == 1, "a metric that outlives its role counts nothing")
  }

  @Test func randomNumbersRepeatWithTheSeed() throws {
    func numbers(_ seed: UInt64) throws -> [UInt64] {
      let host = try FakeHost(Probe.self, seed: seed)
      try host.start()
      let random = try #require(host.role(as: Probe.self)).context.random
      #expect(
        (0..<100).allSatisfy { _ in (0..<1).contains(random.fraction()) && (3...5).contains(random.int(in: 3...5)) })
      #expect(try random.bytes(3).count == 3)
      return [random.next(), random.next()]
    }
    #expect(try numbers(7) == numbers(7))
    #expect(try numbers(7) != numbers(8))
  }

  @Test func knowsWhoAndWhenItIs() throws {
    let host = try FakeHost(Probe.self, name: "left", node: "node-x")
    try host.start()
    let context = try #require(host.role(as: Probe.self)).context
    #expect(context.roleName == "left" && context.nodeName == "node-x" && context.nodeID == 1)
    let before = context.now
    let wall = context.timeSince1970
    host.clock.advance(by: .milliseconds(1500))
    #expect(before.duration(to: context.now) == .milliseconds(1500))
    #expect(context.timeSince1970 - wall == .milliseconds(1500))
    context.fail(.dataLoss, "the disk is gone")
    #expect(host.failure == RoleError(.dataLoss, "the disk is gone"))
  }

  @Test func saysHowItDoesAndTakesNewSettings() throws {
    let (host, probe) = try started()
    #expect(host.aspects == [.drain, .stop, .state, .health, .reconfigure])
    #expect(try host.health() == .ok)
    try host.reconfigure(["number": 2])
    #expect(try host.health() == .degraded("two"))
    #expect(throws: RoleError(.invalidArgument, "not 13", at: "/number")) { try host.reconfigure(["number": 13]) }
    #expect(probe.config.number == 2)
    try host.reconfigure(["number": 3])
    #expect(try host.health() == .failed("three"))
    host.drain()
    #expect(throws: RoleError.self) { try host.call("anything") as Nothing }
    host.stop()
    #expect(host.log.last?.message == "stop after [\"drain\"]")
    #expect(host.misuse.isEmpty)
  }

  /// Nothing that it does not say, and what it says in an extension too.
  @Test func aRoleHasTheAspectsItConformsTo() throws {
    #expect(try FakeHost(Plain.self).aspects == [])
    let host = try FakeHost(Extended.self)
    #expect(host.aspects == [.drain, .health])
    try host.start()
    #expect(try host.health() == .ok)
    host.drain()
    #expect(try #require(host.role(as: Extended.self)).isDraining)
  }

  @Test func refusedSwapsLeaveTheOldOneRunning() throws {
    let (host, _) = try started(["number": 5])
    #expect(try host.save() == SavedState(version: 3, bytes: Array(#"{"number":5}"#.utf8)))
    let next = try FakeHost(Probe.self)
    #expect(throws: RoleError(.failedPrecondition, "version 4 is too new; update the role")) {
      try next.load(SavedState(version: 4, bytes: Array("{}".utf8)))
    }
    #expect(throws: RoleError.self) { try host.swap(to: Probe.self, config: ["number": -1]) }
    #expect(host.phase == .running)
    let swapped = try host.swap(to: Probe.self)
    #expect(host.phase == .destroyed && swapped.role(as: Probe.self)?.config.number == 5)
  }
}

private final class Plain: Role {
  static let about = About("plain", version: "1.0.0", "Says nothing.")
  init(_ context: RoleContext, _ config: NoConfig) {}
}

private final class Extended: Role {
  static let about = About("extended", version: "1.0.0", "Says some in extensions.")
  var isDraining = false
  init(_ context: RoleContext, _ config: NoConfig) {}
}

extension Extended: HealthReporting {
  func health() -> Health { .ok }
}

extension Extended: Drainable {
  func drain() { isDraining = true }
}
