import Glibc
import NodeTesting
import Testing

/// The fake host finds what a role does wrong.
@Suite struct FakeHostTests {
  final class Eager: Role {
    static let about = About("eager", version: "1.0.0", "Does things too early, too late and elsewhere.")
    let context: RoleContext
    var error: RoleError?
    init(_ context: RoleContext, _ config: NoConfig) {
      self.context = context
      context.log.debug("allowed")
      do { try context.timer.once(after: .seconds(1)) {} } catch { self.error = RoleError(error) }
      _ = context.now
    }
  }

  @Test func seesHostCallsInCreate() throws {
    let host = try FakeHost(Eager.self)
    #expect(host.log.first?.message == "allowed")
    #expect(
      host.misuse == [
        "nh_host.get_service was called while creating, and may be called [loop & (starting | running)]",
        "nh_host.now was called while creating, and may be called [any & !creating]",
      ])
    #expect(host.role(as: Eager.self)?.error?.message.contains("not in `init`") == true)
  }

  @Test func seesCallsFromOtherThreads() throws {
    let host = try FakeHost(Eager.self)
    try host.start()
    let role = try #require(host.role(as: Eager.self))
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      { argument in
        let role = Unmanaged<Eager>.fromOpaque(argument!).takeUnretainedValue()
        role.context.log.info("allowed")
        _ = role.context.random.next()
        return nil
      }, Unmanaged.passUnretained(role).toOpaque())
    pthread_join(thread, nil)
    #expect(
      host.misuse.dropFirst(2).first?.hasPrefix("nh_host.get_service was called on another thread while running")
        == true)
    #expect(host.log.contains { $0.message == "allowed" && $0.level == .info })
  }

  final class Picky: Role {
    static let about = About("picky", version: "1.0.0", "Says what it needs.")
    static let needs: [Need] = [.timer, .optional(.bus), .provided("com.example.greeter/1")]
    let context: RoleContext
    init(_ context: RoleContext, _ config: NoConfig) { self.context = context }
  }

  final class Modest: Role {
    static let about = About("modest", version: "1.0.0", "Needs one service, may use another.")
    static let needs: [Need] = [.timer, .optional(.bus)]
    let context: RoleContext
    init(_ context: RoleContext, _ config: NoConfig) { self.context = context }
  }

  @Test func needsAreMetOrRefused() throws {
    let missing = #expect(throws: RoleError.self) { try FakeHost(Picky.self) }
    #expect(missing?.place == "com.example.greeter/1" && missing?.status == .failedPrecondition)
    #expect(throws: RoleError.self) { try FakeHost(Modest.self, without: ["nodehost.timer/1"]) }

    let host = try FakeHost(Modest.self, without: ["nodehost.bus/1"])
    try host.start()
    let context = try #require(host.role(as: Modest.self)).context
    #expect(throws: RoleError.self) { try context.bus.subscribe("a.b") { _ in } }
    let undeclared = #expect(throws: RoleError.self) { try context.roles.list() }
    #expect(undeclared?.message == "the role uses nodehost.roles/1 without saying so; add it to `needs`")
    #expect(host.misuse.isEmpty)
  }

  final class Fragile: Role {
    static let about = About("fragile", version: "1.0.0", "Starts with three host calls that can fail.")
    let context: RoleContext
    init(_ context: RoleContext, _ config: NoConfig) { self.context = context }
    func start() throws {
      try context.timer.once(after: .seconds(1)) {}
      try context.bus.subscribe("a.b") { _ in }
    }
  }

  @Test func failsTheNthHostCall() throws {
    let calm = try FakeHost(Fragile.self)
    try calm.start()
    #expect(
      calm.hostCalls == [
        "nh_host.get_service", "nh_timer_service.once", "nh_host.get_service", "nh_bus_service.subscribe",
      ])
    for number in 1...calm.hostCalls.count {
      let host = try FakeHost(Fragile.self)
      host.failHostCall = number
      #expect(throws: RoleError.self, "call \(number)") { try host.start() }
      #expect(host.phase == .stopped && host.hostCalls.count == number)
      host.destroy()
      #expect(host.phase == .destroyed && host.misuse.isEmpty)
    }
  }

  final class Busy: Role {
    static let about = About("busy", version: "1.0.0", "Never lets time go on.")
    let context: RoleContext
    init(_ context: RoleContext, _ config: NoConfig) { self.context = context }
    func start() throws { try again() }
    func again() throws { try context.timer.once(after: .zero) { [unowned self] in try again() } }
  }

  @Test func endsAnEndlessLoop() throws {
    let host = try FakeHost(Busy.self)
    try host.start()
    #expect(host.misuse.count == 1 && host.misuse[0].contains("100000 callbacks without time moving on"))
  }

  @Test func refusesLibrariesThatAreNone() {
    let missing = #expect(throws: RoleError.self) { try FakeHost(loading: "/nowhere/lib.so") }
    #expect(missing?.place == "/nowhere/lib.so" && missing?.message.contains("No such file") == true)
    let other = #expect(throws: RoleError.self) { try FakeHost(loading: "libm.so.6") }
    #expect(other?.message.contains("exports no nh_plugin_query") == true)
  }

  // MARK: Memory

  final class Knotted: Role {
    nonisolated(unsafe) static var alive = 0
    static let about = About("knotted", version: "1.0.0", "Holds itself in every way it can.")
    static let methods = [Method("keep()", "", keep)]
    let context: RoleContext
    var timer: Timer?
    var counter: Counter?
    var replies: [Reply<Int>] = []
    init(_ context: RoleContext, _ config: NoConfig) {
      self.context = context
      Knotted.alive += 1
    }
    deinit {
      Knotted.alive -= 1
      timer?.cancel()
      counter?.add()
      replies.first?.send(1)
      context.log.debug("gone")
    }
    func start() throws {
      timer = try context.timer.every(.seconds(1)) { self.counter?.add() }
      counter = context.metrics.counter("a_total", "A.")
      try context.bus.subscribe("a.b") { _ in self.counter?.add() }
      try context.roles.call("nobody", "x") { (_: Result<Int, RoleError>) in self.timer?.cancel() }
    }
    func keep(_ reply: Reply<Int>) {
      replies.append(reply)
      reply.onCancel { self.timer?.cancel() }
    }
  }

  @Test func nothingOfARoleStays() throws {
    for _ in 0..<1_000 {
      let host = try FakeHost(Knotted.self)
      try host.start()
      _ = try host.begin("keep")
      #expect(Knotted.alive == 1)
      host.destroy()
      #expect(Knotted.alive == 0)
      #expect(host.misuse.isEmpty && host.log.last?.message == "gone")
    }
    for _ in 0..<10 { _ = try FakeHost(Knotted.self) }
    #expect(Knotted.alive == 0, "a role that was never started goes too")
  }
}
