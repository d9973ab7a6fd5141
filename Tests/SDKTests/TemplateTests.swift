import CNodeABI
import NodeTesting
import Testing

/// One body for all languages: the first role behaves the same in each.
@Suite struct TemplateTests {
  func host(_ template: Template, _ config: JSON = [:]) throws -> FakeHost {
    let host = try FakeHost(loading: template.library(), config: config)
    try host.start()
    return host
  }

  @Test(arguments: Template.available)
  func answersTypedCalls(_ template: Template) throws {
    let host = try host(template)
    #expect(try host.call("add", 2, 40) as Int == 42)
    #expect(try host.call("add", -7, 2) as Int == -5)
    #expect(try host.call("greet", "Ada") as String == "Hello, Ada!")
    #expect(try host.call("greet", "") as String == "Hello, !")
    #expect(["add", "greet", "later", "fail"].map(host.signature) == ["l(ll)", "s(s)", "s(sl)", "v(s)"])
    #expect(host.misuse.isEmpty)
  }

  @Test(arguments: Template.available)
  func answersErrors(_ template: Template) throws {
    let host = try host(template)
    let overflow = #expect(throws: RoleError.self) { try host.call("add", Int.max, 1) as Int }
    #expect(overflow?.status == .outOfRange)
    #expect(throws: RoleError(.failedPrecondition, "no paper")) { try host.call("fail", "no paper") as Nothing }
    let early = #expect(throws: RoleError.self) { try host.call("later", "x", -1) as String }
    #expect(early?.status == .invalidArgument)
    #expect(host.misuse.isEmpty)
  }

  @Test(arguments: Template.available)
  func takesItsConfiguration(_ template: Template) throws {
    let host = try host(template, ["greeting": "tick_seconds: é", "tick_seconds": 3])
    #expect(try host.call("greet", "Ada") as String == "tick_seconds: é, Ada!")
    host.clock.advance(by: .seconds(9))
    #expect(host.published.map(\.text) == ["1", "2", "3"])

    let wrong: [(JSON, String)] = [
      (["tick_seconds": 0], "/tick_seconds"), (["tick_seconds": "3"], "/tick_seconds"), (["greeting": ""], "/greeting"),
      (["greeting": 5], "/greeting"), (["gretting": "x"], "/gretting"),
    ]
    for (config, place) in wrong {
      let error = #expect(throws: RoleError.self) { try self.host(template, config) }
      #expect(error?.place == place)
    }
  }

  @Test(arguments: Template.available)
  func ticks(_ template: Template) throws {
    let host = try host(template)
    host.clock.advance(by: .milliseconds(9_999))
    #expect(host.published.isEmpty)
    host.clock.advance(by: .milliseconds(20_001))
    #expect(host.published.map(\.topic) == Array(repeating: template.id + ".tick", count: 3))
    #expect(host.published.map(\.text) == ["1", "2", "3"])
    #expect(host.metric("hello_ticks_total")?.value == 3)
    #expect(host.misuse.isEmpty)
  }

  @Test(arguments: Template.available)
  func answersLaterInOrderOfTime(_ template: Template) throws {
    let host = try host(template)
    let slow = try host.begin("later", "slow", 500)
    let fast = try host.begin("later", "fast", 100)
    host.clock.advance(by: .milliseconds(100))
    #expect(try fast.answer() as String == "fast")
    #expect(slow.result == nil)
    host.clock.advance(by: .milliseconds(400))
    #expect(try slow.answer() as String == "slow")
    #expect(try host.call("later", "", 5, within: .seconds(1)) as String == "")
    #expect(host.misuse.isEmpty)
  }

  @Test(arguments: Template.available)
  func stopsWorkWhenTheCallerGivesUp(_ template: Template) throws {
    let host = try host(template)
    let timersBefore = host.clock.pending
    let cancelled = try host.begin("later", "never", 500)
    let late = try host.begin("later", "never", 500, timeout: .milliseconds(50))
    cancelled.cancel()
    host.clock.advance(by: .milliseconds(60))
    #expect(throws: RoleError(.cancelled, "the caller gave up")) { try cancelled.answer() as String }
    let error = #expect(throws: RoleError.self) { try late.answer() as String }
    #expect(error?.status == .deadlineExceeded)
    #expect(host.clock.pending == timersBefore, "the timers of both calls are cancelled")
    #expect(host.misuse.isEmpty)
  }

  @Test(arguments: Template.available)
  func hearsPings(_ template: Template) throws {
    let host = try host(template)
    host.publish("hello.ping", "one")
    host.publish("hello.pong", "two")
    #expect(host.log.filter { $0.level == .info }.map(\.message) == ["ping: one"])
    #expect(try host.health() == .ok)
  }

  @Test(arguments: Template.available, Template.available)
  func keepsItsCountAcrossASwap(_ old: Template, _ new: Template) throws {
    let host = try host(old)
    host.clock.advance(by: .seconds(70))
    #expect(try host.save() == SavedState(version: 1, bytes: Array("7".utf8)))
    let next = try host.swap(toLibrary: new.library())
    #expect(host.phase == .destroyed)
    next.clock.advance(by: .seconds(10))
    #expect(next.published.map(\.text) == ["8"])
    #expect(next.metric("hello_ticks_total")?.value == 8)
    #expect(next.misuse.isEmpty && host.misuse.isEmpty)
  }

  @Test(arguments: Template.available, ["", "-1", "x", "99999999999999999999"])
  func refusesAStrangeState(_ template: Template, _ state: String) throws {
    let host = try FakeHost(loading: template.library())
    let error = #expect(throws: RoleError.self) { try host.load(SavedState(version: 1, bytes: Array(state.utf8))) }
    #expect(error?.status == .invalidArgument)
    #expect(throws: RoleError.self) { try host.load(SavedState(version: 2, bytes: Array("1".utf8))) }
  }

  @Test(arguments: Template.available)
  func survivesEveryHostFailure(_ template: Template) throws {
    let calm = try host(template)
    let count = calm.hostCalls.count
    #expect(count >= 6)
    for number in 1...count {
      let host = try FakeHost(loading: template.library())
      host.failHostCall = number
      let started = (try? host.start()) != nil
      if started { host.clock.advance(by: .seconds(30)) }
      host.destroy()
      #expect(host.misuse.filter { !$0.contains("there was never a handle 0") } == [], "call \(number)")
    }
  }

  @Test(arguments: Template.available)
  func leavesNothingBehind(_ template: Template) throws {
    for _ in 0..<200 {
      let host = try host(template)
      _ = try host.begin("later", "left open", 1_000)
      host.destroy()
      #expect(host.misuse.isEmpty)
    }
  }

  @Test(arguments: Template.available)
  func refusesAHostOfAnotherABI(_ template: Template) throws {
    #expect(try query(template, layout: NH_BASE_LAYOUT, major: 1).status == .ok)
    let layout = try query(template, layout: NH_BASE_LAYOUT ^ 1, major: 1)
    #expect(layout.status == .failedPrecondition)
    #expect(layout.message.contains("build it against this host's SDK"))
    #expect(try query(template, layout: NH_BASE_LAYOUT, major: 2).status == .failedPrecondition)
  }
}
