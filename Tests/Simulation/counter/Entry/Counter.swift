import CounterCore
import NodeKit

/// The smallest role with a core of its own, for tests of how roles in Swift are built right and broken.
@main
final class Counter: Role {
  static let about = About("counter", version: "1.0.0", "Counts.")
  static let needs: [Need] = [.store, .bus]
  static let methods = [Method("add()", "One more.", add)]
  static let topics = [Topic("counter.counted", "The count, when it is safe.")]

  private let context: RoleContext
  /// Nil until the store has told it.
  private var tally: Tally?

  init(_ context: RoleContext, _ config: NoConfig) { self.context = context }

  func start() throws {
    try context.store.get("count") { [self] (found: Result<Stored<String>?, RoleError>) in
      tally = Tally(stored: Int(try found.get()?.value ?? "0") ?? 0)
    }
  }

  func add(_ reply: Reply<Int>) throws {
    guard let steps = tally?.add() else { throw RoleError(.unavailable, "the count is still being read; try again") }
    try take(steps[...], reply)
  }

  private func take(_ steps: ArraySlice<Tally.Step>, _ reply: Reply<Int>) throws {
    let rest = steps.dropFirst()
    switch steps.first {
    case .store(let count):
      try context.store.commit {
        $0.put("count", "\(count)")
      } then: { [self] result in
        switch result {
        case .success: try take(rest, reply)
        case .failure(let error): reply.fail(error)
        }
      }
    case .tell(let count):
      try context.bus.publish("counter.counted", "{\"count\": \(count)}")
      try take(rest, reply)
    case nil: reply.send(0)
    }
  }
}
