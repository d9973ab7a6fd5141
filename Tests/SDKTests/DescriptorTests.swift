import Glibc
import NodeTesting
import Testing

/// Descriptors of a library, as a Swift role sees them. The test has the other end of the role's socket.
@Suite struct DescriptorTests {
  final class Listener: Role {
    static let about = About("listener", version: "1.0.0", "Listens.")
    static let needs: [Need] = [.fd]
    static let methods = [
      Method("listen(descriptor)", "Listens to a socket.", listen), Method("write()", "Wants to write.", write),
      Method("pause()", "Waits for errors only.", pause), Method("stop()", "Listens no more.", stop),
    ]

    private let context: RoleContext
    private var watch: DescriptorWatch?
    private(set) var heard: [String] = []
    private(set) var told: [Readiness] = []
    var throwsNext = false
    init(_ context: RoleContext, _ config: NoConfig) { self.context = context }
    func start() {}

    func listen(_ descriptor: Int) throws {
      watch = try context.descriptors.watch(Int32(descriptor), for: .read) { [unowned self] ready in
        told.append(ready)
        if throwsNext { throw RoleError(.dataLoss, "nonsense") }
        guard ready.contains(.read) else { return }
        var room = [UInt8](repeating: 0, count: 16)
        let count = Glibc.read(Int32(descriptor), &room, room.count)
        if count > 0 { heard.append(String(decoding: room[..<count], as: UTF8.self)) }
      }
    }

    func write() throws { try watch?.change(to: [.read, .write]) }
    func pause() throws { try watch?.change(to: []) }
    func stop() { watch?.cancel() }
  }

  /// The role's end, and the test's.
  final class Ends {
    let near: Int32, far: Int32

    init() {
      var ends: [Int32] = [0, 0]
      socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0, &ends)
      (near, far) = (ends[0], ends[1])
    }

    deinit {
      close(near)
      close(far)
    }

    func say(_ text: String) { _ = write(far, text, text.utf8.count) }
  }

  private let ends = Ends()

  private func listening() throws -> (host: FakeHost, role: Listener) {
    let host = try FakeHost(Listener.self)
    try host.start()
    _ = try host.call("listen", Int(ends.near)) as Nothing
    return (host, try #require(host.role(as: Listener.self)))
  }

  @Test func theRoleIsToldWhatItsDescriptorIsReadyFor() throws {
    let (host, role) = try listening()
    #expect(role.told.isEmpty && host.watchedDescriptors == [ends.near: .read])
    ends.say("hello")
    host.clock.advance(by: .zero)
    #expect(role.heard == ["hello"] && role.told == [.read])
    host.clock.advance(by: .seconds(1))
    #expect(role.told == [.read], "it has read it")
    _ = try host.call("write") as Nothing
    #expect(role.told == [.read, .write])
    #expect(host.misuse.isEmpty)
  }

  @Test func whatIsNotReadIsToldAgain() throws {
    let (host, role) = try listening()
    ends.say("more than sixteen bytes in one go")
    for _ in 0..<3 { host.clock.advance(by: .zero) }
    #expect(role.heard.joined() == "more than sixteen bytes in one go" && role.told.count == 3)
  }

  @Test func aTestWaitsForTheOtherSide() throws {
    let (host, role) = try listening()
    #expect(!host.waitForDescriptors(.milliseconds(10)))
    ends.say("late")
    #expect(host.waitForDescriptors() && role.heard == ["late"])
  }

  @Test func aClosedSocketIsToldWhateverWasAskedFor() throws {
    let (host, role) = try listening()
    _ = try host.call("pause") as Nothing
    ends.say("not now")
    host.clock.advance(by: .zero)
    #expect(role.told.isEmpty)
    shutdown(ends.far, Int32(SHUT_RDWR))
    host.clock.advance(by: .zero)
    #expect(role.told == [.error])
  }

  @Test func aCancelledWatchIsOver() throws {
    let (host, role) = try listening()
    _ = try host.call("stop") as Nothing
    ends.say("too late")
    host.clock.advance(by: .zero)
    #expect(role.told.isEmpty && host.watchedDescriptors.isEmpty)
    let error = #expect(throws: RoleError.self) { _ = try host.call("write") as Nothing }
    #expect(error?.message == "the watch has ended")
    #expect(host.misuse.isEmpty)
  }

  @Test func aClosureThatThrowsEndsItsWatch() throws {
    let (host, role) = try listening()
    role.throwsNext = true
    ends.say("x")
    for _ in 0..<3 { host.clock.advance(by: .zero) }
    #expect(role.told == [.read] && host.watchedDescriptors.isEmpty)
    #expect(host.log.map(\.level) == [.error] && host.log[0].message.contains("descriptor \(ends.near)"))
  }

  @Test func misuseIsNoted() throws {
    let (host, _) = try listening()
    for descriptor in [Int(ends.near), 1_000_000, Int(open("/proc/self/exe", O_RDONLY | O_CLOEXEC))] {
      let error = #expect(throws: RoleError.self) { _ = try host.call("listen", descriptor) as Nothing }
      #expect(error?.status == .resourceExhausted)
      if descriptor > ends.far, descriptor < 1_000_000 { close(Int32(descriptor)) }
    }
    #expect(host.misuse.count == 3)
    #expect(
      host.misuse.first == "nh_fd_service.watch: descriptor \(ends.near) is watched already, or was closed while it was"
    )
  }

  @Test func aDescriptorClosedTooEarlyIsNoted() throws {
    let other = Ends()
    let (host, _) = try listening()
    _ = try host.call("stop") as Nothing
    let copy = dup(other.near)
    _ = try host.call("listen", Int(copy)) as Nothing
    close(copy)
    host.clock.advance(by: .zero)
    #expect(
      host.misuse == ["descriptor \(copy) was closed while it was watched; unwatch it before closing it"])
  }

  @Test func aRoleWithoutTheNeedGetsNothing() throws {
    final class Deaf: Role {
      static let about = About("deaf", version: "1.0.0", "Listens without saying so.")
      static let methods = [Method("listen()", "Listens.", listen)]
      private let context: RoleContext
      init(_ context: RoleContext, _ config: NoConfig) { self.context = context }
      func start() {}
      func listen() throws { try context.descriptors.watch(0, for: .read) { _ in } }
    }
    let host = try FakeHost(Deaf.self)
    try host.start()
    let error = #expect(throws: RoleError.self) { _ = try host.call("listen") as Nothing }
    #expect(error?.message.contains("add it to `needs`") == true)
  }
}
