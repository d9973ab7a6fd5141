import NodeKit

/// Who waits for nodes to come.
struct Waiters {
  static let limit = 256

  private final class Waiter {
    let count: Int
    let reply: Reply<JSON>
    var timer: Timer?

    init(_ count: Int, _ reply: Reply<JSON>) { (self.count, self.reply) = (count, reply) }
  }
  private var waiting: [Waiter] = []

  /// `late` is what to say when the time is over.
  mutating func add(
    _ count: Int, _ seconds: Double, _ reply: Reply<JSON>, _ timers: Timers, late: @escaping () -> RoleError
  ) throws {
    waiting.removeAll { !$0.reply.isWaiting }
    guard waiting.count < Self.limit else {
      throw RoleError(.resourceExhausted, "\(Self.limit) calls wait for nodes already; let some of them end first")
    }
    let waiter = Waiter(count, reply)
    waiter.timer = try timers.once(after: .milliseconds(Int64(seconds * 1_000))) { [weak waiter] in
      waiter?.reply.fail(late())
    }
    reply.onCancel { [weak waiter] in waiter?.timer?.cancel() }
    waiting.append(waiter)
  }

  /// There are so many nodes now.
  mutating func look(_ count: Int, _ answer: () -> JSON) {
    guard waiting.contains(where: { $0.count <= count }) else { return }
    for waiter in waiting where waiter.count <= count {
      waiter.timer?.cancel()
      waiter.reply.send(answer())
    }
    waiting.removeAll { $0.count <= count }
  }

  mutating func refuse(_ error: RoleError) {
    for waiter in waiting { waiter.reply.fail(error) }
    waiting = []
  }
}
