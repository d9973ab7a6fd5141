import MemberCore
import NodeTesting
import Testing

/// Registering, heartbeats, and what comes in between.
@Suite struct PresenceTests {
  @Test func itRegistersAndBeats() throws {
    let club = try Club()
    let registered = try #require(club.registry.nodes[1])
    #expect(registered.place == "10.0.0.1:7001" && registered.capabilities == ["raft", "gossip"])
    #expect(registered.labels == ["zone": "a"] && registered.instance.utf8.count == 16)
    club.pass(300)
    // Sooner than the interval by up to a tenth, never later.
    let pauses = gaps(club.first.times(GatewayMethod.register) + club.first.times(GatewayMethod.heartbeat))
    #expect(pauses.count >= 10 && pauses.allSatisfy { (27.0...30.0).contains($0) }, "\(pauses)")
    #expect(Set(pauses).count > 5, "by chance")
    #expect(club.first.count(GatewayMethod.register) == 1)
    #expect(club.first.last(GatewayMethod.heartbeat)?.instance == registered.instance)
    #expect(try club.host.health() == .ok && club.host.misuse.isEmpty)
    #expect(club.host.metric("member_heartbeats_total")?.value == Double(pauses.count))
  }

  @Test func twoNodesBeatAtDifferentTimes() throws {
    let clubs = try (1...4).map { try Club(seed: $0) }
    for club in clubs { club.pass(31) }
    #expect(Set(clubs.map { $0.first.times(GatewayMethod.heartbeat)[0] }).count == 4)
    #expect(Set(clubs.map { $0.registry.nodes[1]!.instance }).count == 4)
  }

  @Test func theGatewayTellsTheInterval() throws {
    let club = try Club(starts: false)
    club.first.interval = 2_000
    try club.start()
    club.pass(20)
    #expect(gaps(club.first.times(GatewayMethod.heartbeat)).allSatisfy { (1.8...2.0).contains($0) })
    club.first.interval = 500
    club.pass(10)
    #expect(gaps(club.first.times(GatewayMethod.heartbeat)).suffix(5).allSatisfy { (0.45...0.5).contains($0) })
  }

  @Test(arguments: [false, true]) func whoIsForgottenRegistersAgainAtOnce(_ byStatus: Bool) throws {
    let club = try Club()
    let instance = club.registry.nodes[1]?.instance
    club.registry.forget()
    club.first.refusesByStatus = byStatus
    while club.first.count(GatewayMethod.heartbeat) == 0 { club.host.clock.advanceToNext() }
    #expect(club.registry.nodes[1]?.instance == instance && instance != nil)
    #expect(club.logged(.warning, "does not know this node any more") == 1)
  }

  @Test func pausesGrowWhileNoGatewayAnswers() throws {
    let club = try Club(starts: false)
    club.first.isUp = false
    var tries: [Moment] = []
    let play = club.host.whenRpcCalled
    club.host.whenRpcCalled = {
      tries.append(club.host.clock.now)
      play?($0)
    }
    try club.start()
    club.pass(200)
    let pauses = gaps(tries)
    #expect(pauses.count > 8)
    for (place, pause) in pauses.enumerated() {
      let full = min(30, 0.5 * Double(1 << min(place, 20)))
      #expect((full / 2...full).contains(pause), "pause \(place): \(pause) s of \(full)")
    }
    guard case .degraded(let words) = try club.host.health() else { throw RoleError(.internal, "health") }
    #expect(
      words.hasPrefix("no gateway has answered for 3 min: http://g1:8090: nobody is there; the nodes"), "\(words)")
    #expect(club.logged(.warning, "no gateway answers") == 1, "once, not each time")

    club.first.isUp = true
    club.pass(30)
    #expect(club.registry.nodes[1] != nil)
    #expect(try club.host.health() == .ok)
    #expect(club.logged(.info, "answers, after 3 min without a gateway") == 1)
  }

  @Test func theNextGatewayIsAskedAtOnceAndKept() throws {
    let club = try Club(gateways: 3)
    #expect(try club.status["gateway"] == "http://g1:8090")
    club.first.kill()
    // The end of the watch is reason to look.
    club.pass(1.1)
    #expect(try club.status["gateway"] == "http://g2:8090" && club.second.count(GatewayMethod.heartbeat) == 1)
    #expect(club.second.watches.count == 1)
    #expect(try club.status["in_step"] == true && club.host.health() == .ok)
    club.first.isUp = true
    club.pass(120)
    #expect(try club.status["gateway"] == "http://g2:8090", "it stays with the one that works")
    #expect(club.second.count(GatewayMethod.register) == 0, "another gateway of the same registry knows it")
    #expect(club.host.metric("member_gateway_changes_total")?.value == 1)
    for gateway in club.gateways { gateway.kill() }
    club.pass(5)
    club.gateways[2].isUp = true
    club.pass(31)
    #expect(try club.status["gateway"] == "http://g3:8090")
  }

  @Test func gatewaysThatWereToldOfAreAskedToo() throws {
    let registry = FakeRegistry()
    let hidden = FakeGateway("http://10.9.9.9:8090", registry)
    let club = try Club(starts: false)
    club.first.gateways = ["g1:8090", "10.9.9.9:8090", "0.0.0.0:8090", "nonsense"]
    let play = club.host.whenRpcCalled
    club.host.whenRpcCalled = {
      if $0.target == hidden.target { hidden.take($0, at: club.host.clock.now) } else { play?($0) }
    }
    try club.start()
    #expect(try club.status["gateways"] == ["http://g1:8090", "http://10.9.9.9:8090"])
    club.first.kill()
    club.pass(2)
    // It has a registry of its own, and does not know the node.
    #expect(registry.nodes[1] != nil)
  }

  @Test func aSilentGatewayIsLeftAfterTheTimeout() throws {
    let club = try Club(gateways: 2, [("call_timeout_seconds", 3)])
    club.first.isSilent = true
    club.pass(40)
    #expect(try club.status["gateway"] == "http://g2:8090")
    let waited = seconds(club.first.times(GatewayMethod.heartbeat)[0], club.second.times(GatewayMethod.heartbeat)[0])
    #expect(waited == 3)
  }

  @Test func anIdThatIsTakenIsAClearErrorAndTriedSlowly() throws {
    let club = try Club([("refused_retry_seconds", 40)], starts: false)
    club.first.refusal = (RoleError(.alreadyExists, "node 1 is at 10.0.0.7:7001 for 3 s"), [:])
    try club.start()
    let words =
      "node id 1 is taken by another: node 1 is at 10.0.0.7:7001 for 3 s; "
      + "give this node an id of its own, or end the other"
    #expect(try club.host.health() == .failed(words))
    #expect(club.logged(.error, words) == 1)
    #expect(try club.status["state"] == "refused")
    club.pass(400)
    let pauses = gaps(club.first.times(GatewayMethod.register))
    #expect(pauses.count >= 9 && pauses.allSatisfy { (36.0...40.0).contains($0) }, "\(pauses)")
    #expect(club.logged(.error, words) == 1, "said once")
    club.first.refusal = nil
    club.pass(41)
    #expect(try club.host.health() == .ok && club.registry.nodes[1] != nil)
    #expect(club.logged(.info, "which it refused before") == 1)
  }

  @Test(arguments: [Status.unauthenticated, .permissionDenied, .invalidArgument])
  func otherRefusalsFailToo(_ status: Status) throws {
    let club = try Club([("token", "s3cret")], starts: false)
    club.first.refusal = (RoleError(status, "not you"), [:])
    try club.start()
    guard case .failed(let words) = try club.host.health() else { throw RoleError(.internal, "not failed") }
    #expect(contains(words, "not you"))
    #expect(club.host.rpcCalls.allSatisfy { $0.options.metadata["authorization"] == "Bearer s3cret" })
    #expect(!club.host.log.contains { contains("\($0)", "s3cret") })
    #expect(!contains("\(try club.status)", "s3cret"))
  }

  @Test func anOverloadedGatewayIsGivenTheTimeThatItAsksFor() throws {
    let club = try Club(gateways: 2, starts: false)
    club.first.refusal = (RoleError(.resourceExhausted, "too many"), ["retry-after-ms": "7000"])
    try club.start()
    club.pass(6.9)
    #expect(club.first.count(GatewayMethod.register) == 1 && club.second.calls.isEmpty)
    club.first.refusal = nil
    club.pass(0.2)
    #expect(club.registry.nodes[1] != nil)
  }

  @Test func answersThatMakeNoSenseAreAFault() throws {
    let club = try Club(gateways: 2, starts: false)
    let play = club.host.whenRpcCalled
    club.host.whenRpcCalled = {
      if $0.target == club.first.target { $0.answer([0xFF, 0xFF, 0x07, 0x01]) } else { play?($0) }
    }
    try club.start()
    #expect(try club.status["gateway"] == "http://g2:8090")
    #expect(club.host.misuse.isEmpty)
  }

  // MARK: Coming and going

  @Test func whoGoesSaysSo() throws {
    let club = try Club()
    let instance = club.registry.nodes[1]?.instance
    club.host.drain()
    club.pass(0.01)
    #expect(club.registry.nodes[1] == nil)
    let message = club.first.calls.last { $0.path == GatewayMethod.deregister }?.message
    #expect(message.map { contains(String(decoding: $0, as: UTF8.self), instance ?? "?") } == true)
    club.pass(100)
    #expect(club.first.calls.last?.path == GatewayMethod.deregister, "nothing comes after it")
    #expect(club.first.watches.allSatisfy { $0.ending != nil })
    club.host.stop()
    #expect(club.host.misuse.isEmpty)
  }

  @Test func anOldGatewayIsToldInItsOwnWords() throws {
    let club = try Club(starts: false)
    club.first.isOld = true
    try club.start()
    club.host.drain()
    club.pass(0.01)
    #expect(club.first.count(GatewayMethod.remove) == 1 && club.registry.nodes[1] == nil)
  }

  @Test func aSwapIsNoLeave() throws {
    let club = try Club()
    for id in 2...4 as ClosedRange<Int32> { club.registry.put(club.node(id)) }
    club.registry.lead(3, term: 4)
    let instance = club.registry.nodes[1]?.instance
    let revision = try club.status["revision"]
    let published = club.host.published.count
    try club.swap()
    #expect(club.first.count(GatewayMethod.register) == 1 && club.first.count(GatewayMethod.deregister) == 0)
    #expect(try club.ids == [1, 2, 3, 4] && club.status["instance"]?.string == instance)
    #expect(try club.status["in_step"] == true && club.status["bootstrap"] == true)
    #expect(try (club.host.call("leader") as JSON)["leader"] == 3)
    // The watch went on from where it was, and nobody heard anything twice.
    #expect(try club.status["revision"] == revision && club.host.published.isEmpty && published == 5)
    club.pass(1.1)
    #expect(club.first.count(GatewayMethod.heartbeat) == 1, "it looks soon whether all is well")
    club.registry.put(club.node(5))
    #expect(try club.ids == [1, 2, 3, 4, 5] && club.events == ["joined 5"])
    #expect(club.host.misuse.isEmpty)
  }

  /// A host keeps what was saved, and gives it to the next start too, however long ago that was.
  @Test(arguments: [false, true]) func aRestartIsNoSwap(_ drains: Bool) throws {
    let club = try Club()
    club.registry.put(club.node(2))
    club.pass(2)
    if drains { club.host.drain() }
    let state = try club.host.save()
    let before = club.registry.nodes[1]?.instance ?? ""
    if !drains { club.pass(3) }
    let next = try FakeHost(
      Member.self, config: ["gateways": ["g1:8090"], "address": "10.0.0.1", "port": 7001], seed: 9)
    next.store = club.host.store
    next.whenRpcCalled = club.host.whenRpcCalled
    next.clock.advance(by: .seconds(drains ? 1 : 30))
    try next.load(state)
    try next.start()
    next.clock.advance(by: .milliseconds(10))
    #expect(try (next.call("status") as JSON)["state"] == "joined")
    #expect(club.first.count(GatewayMethod.register) == 2)
    #expect(club.registry.nodes[1]?.instance != before && club.registry.nodes[1] != nil)
    #expect(try (next.call("nodes") as JSON)["count"] == 2)
    #expect(next.misuse.isEmpty)
    next.whenRpcCalled = nil
  }

  @Test func leaveAndJoin() throws {
    let club = try Club()
    let leaving = try club.host.begin("leave")
    club.pass(0.01)
    let _: Nothing = try leaving.answer()
    #expect(club.registry.nodes.isEmpty)
    #expect(try club.status["state"] == "away" && club.host.health() == .ok)
    club.pass(100)
    #expect(club.registry.nodes.isEmpty)
    try club.swap()
    #expect(club.registry.nodes.isEmpty, "also not by a swap")
    let _: Nothing = try club.host.call("join")
    club.pass(0.01)
    #expect(club.first.sequences == [1, 3], "the leave was the second, and the swap does not begin anew")
    #expect(club.registry.nodes[1] != nil)
    #expect(try club.status["state"] == "joined")
  }

  @Test func aNewConfigurationIsRegistered() throws {
    let club = try Club()
    try club.host.reconfigure([
      "gateways": ["g1:8090"], "address": "10.0.0.2", "port": 7002, "capabilities": ["gossip"],
    ])
    club.pass(0.01)
    #expect(club.registry.nodes[1]?.place == "10.0.0.2:7002" && club.registry.nodes[1]?.capabilities == ["gossip"])
    #expect(throws: RoleError.self) {
      try club.host.reconfigure(["gateways": ["g1:8090"], "address": "a", "port": 1, "id": 9])
    }
    let wrong = #expect(throws: RoleError.self) {
      try club.host.reconfigure(["gateways": ["g1:8090", "g2"], "address": "a", "port": 1])
    }
    #expect(wrong?.place == "/gateways/1")
    club.pass(60)
    #expect(try club.host.health() == .ok)
  }

  // MARK: Bootstrap

  @Test func theFirstNodeBeginsTheCluster() throws {
    let club = try Club(starts: false)
    club.first.isUp = false
    try club.start()
    let early = #expect(throws: RoleError.self) { try club.host.call("is_bootstrap") as Bool }
    #expect(early?.status == .unavailable)
    club.first.isUp = true
    club.pass(1)
    #expect(try club.host.call("is_bootstrap") as Bool)
    let other = try Club(starts: false)
    other.registry.bootstrap = 9
    try other.start()
    #expect(try other.host.call("is_bootstrap") as Bool == false)
  }

  /// It forgets everything when it is started again, and tells the next one that comes that it is the first.
  @Test func anOldGatewayIsNotBelievedTwice() throws {
    let club = try Club(starts: false)
    club.first.isOld = true
    club.registry.bootstrap = 2
    club.registry.put(club.node(2))
    try club.start()
    #expect(try club.host.call("is_bootstrap") as Bool == false)
    club.registry.forget()
    club.pass(31)
    #expect(club.registry.bootstrap == 1, "so it was told")
    #expect(try club.host.call("is_bootstrap") as Bool == false)
    #expect(club.logged(.warning, "it was here before") == 1)
    try club.restart()
    #expect(try club.host.call("is_bootstrap") as Bool == false, "a restart knows it too")
  }

  @Test func whoBeganTheClusterIsAgainToldSo() throws {
    let club = try Club(starts: false)
    club.first.isOld = true
    try club.start()
    club.registry.put(club.node(2))
    club.pass(11)
    #expect(try club.ids == [1, 2] && club.host.call("is_bootstrap") as Bool)
    for bootstrap in [nil, Int32(2)] {
      club.registry.forget()
      club.registry.bootstrap = bootstrap
      club.pass(31)
      #expect(club.registry.nodes[1] != nil)
      #expect(try club.host.call("is_bootstrap") as Bool)
    }
  }

  @Test func everyFailureOfTheHostIsSurvived() throws {
    let calm = try Club()
    calm.pass(40)
    for number in 1...calm.host.hostCalls.count {
      let club = try Club(starts: false)
      club.host.failHostCall = number
      let started = (try? club.start()) != nil
      if started { club.pass(100) }
      if started, club.host.failure == nil { #expect(club.registry.nodes[1] != nil, "call \(number)") }
      club.host.destroy()
      #expect(club.host.misuse.filter { !contains($0, "there was never a handle 0") } == [], "call \(number)")
    }
  }
}
