import NodeTesting
import Testing

/// The CPU pool, as a Swift role sees it.
@Suite struct PoolTests {
  final class Digger: Role {
    static let about = About("digger", version: "1.0.0", "Digs.")
    static let needs: [Need] = [.work]
    static let methods = [Method("dig(depth)", "Digs.", dig), Method("stop()", "Stops.", stop)]

    private let context: RoleContext
    private var job: PoolJob?
    init(_ context: RoleContext, _ config: NoConfig) { self.context = context }
    func start() {}

    func dig(_ depth: Int, _ reply: Reply<Int>) throws {
      job = try context.work.run { thread in
        try thread.checkCancellation()
        thread.report(0.5)
        if depth < 0 { throw RoleError(.invalidArgument, "\(depth) is up") }
        return depth * 2
      } then: { result in
        switch result {
        case .success(let depth): reply.send(depth)
        case .failure(let error): reply.fail(error)
        }
      }
    }

    func stop() { job?.cancel() }
  }

  private func host() throws -> FakeHost {
    let host = try FakeHost(Digger.self)
    host.workTakes = .seconds(3)
    try host.start()
    return host
  }

  @Test func whatAJobReturnsComesBack() throws {
    let host = try host()
    let pending = try host.begin("dig", 21)
    #expect(pending.result == nil)
    host.clock.advance(by: .seconds(3))
    #expect(try pending.answer(as: Int.self) == 42)
    #expect(host.workProgress == [0.5] && host.misuse.isEmpty)
  }

  @Test func whatAJobThrowsComesBackToo() throws {
    let host = try host()
    let pending = try host.begin("dig", -1)
    host.clock.advance(by: .seconds(3))
    let error = #expect(throws: RoleError.self) { try pending.answer(as: Int.self) }
    #expect(error?.status == .invalidArgument && error?.message == "-1 is up")
  }

  @Test func aCancelledJobNeverBegins() throws {
    let host = try host()
    let pending = try host.begin("dig", 21)
    _ = try host.begin("stop")
    host.clock.advance(by: .zero)
    let error = #expect(throws: RoleError.self) { try pending.answer(as: Int.self) }
    #expect(error?.status == .cancelled && host.workProgress.isEmpty)
  }
}
