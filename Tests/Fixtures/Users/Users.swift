import NodeKit

/// Users of a service, for worlds: as many requests as each version's share says, of which each version fails some.
@main
final class Users: Role {
  struct Config: RoleConfig {
    @Setting("Of each version's requests, how many fail.") var errors: [String: Double] = [:]
    @Setting("Requests in a second.", in: 1...1_000) var perSecond = 60
  }

  static let about = About("users", version: "1.0.0", "Users of several versions of a service.")
  static let needs: [Need] = [.timer, .random, .roles]
  private static let beatsPerSecond = 5

  private let context: RoleContext
  private let config: Config

  init(_ context: RoleContext, _ config: Config) { (self.context, self.config) = (context, config) }

  func start() throws {
    try context.timer.every(.milliseconds(1_000 / Self.beatsPerSecond)) { [self] in
      try context.roles.call("canary", "state") { [self] (state: Result<JSON, RoleError>) in
        if case .success(let state) = state { try serve(state) }
      }
    }
  }

  private func serve(_ state: JSON) throws {
    for version in state["versions"]?.array ?? [] {
      guard let id = version["id"]?.string, let share = version["share"]?.double, share > 0 else { continue }
      let wanted = share / 1_000_000 * Double(config.perSecond) / Double(Self.beatsPerSecond)
      // What is less than one request comes now and then.
      let count = Int(wanted) + (context.random.fraction() < wanted - wanted.rounded(.down) ? 1 : 0)
      for _ in 0..<count {
        let isGood = context.random.fraction() >= config.errors[id] ?? 0
        let report: JSON = ["version": .string(id), "ok": .bool(isGood), "latency_ms": 20]
        try context.roles.call("canary", "report", report) { (_: Result<JSON, RoleError>) in }
      }
    }
  }
}
