import NodeKit

/// A service that other roles send requests to, for trying things out: it says which version it is, as slowly and as
/// unreliably as it is told.
@main
final class Service: Role, Reconfigurable {
  struct Config: RoleConfig {
    @Setting("What it says it is.") var version = "v1"
    @Setting("The listener that it answers on.") var listener = "data"
    @Setting("How long it takes for an answer.", in: 0...60_000) var delayMs = 0
    @Setting("The part of all requests that it fails.", in: 0...1) var failures = 0.0
  }

  static let about = About("service", version: "1.0.0", "Answers with its version, or fails as it is told.")
  static let needs: [Need] = [.http, .timer, .random]
  static let methods = [
    Method("fail(part)", "Fails this part of all requests from now on: 0 to 1.", fail),
    Method("delay(milliseconds)", "Takes so long for each answer from now on.", delay),
  ]

  private let context: RoleContext
  private var config: Config

  init(_ context: RoleContext, _ config: Config) { (self.context, self.config) = (context, config) }

  func start() throws {
    try context.http.route("", "/{path*}", listener: config.listener) { [unowned self] request in
      // A body that nobody reads is thrown away by the host.
      guard config.delayMs > 0 else { return try answer(request) }
      try context.timer.once(after: .milliseconds(config.delayMs)) { [unowned self] in try answer(request) }
    }
  }

  private func answer(_ request: HTTPRequest) throws {
    if config.failures > 0, context.random.fraction() < config.failures {
      return try request.answer(500, text: "as it was told\n")
    }
    try request.answer(json: ["version": .string(config.version), "path": .string(request.path)])
  }

  func fail(_ part: Double) throws -> String {
    guard (0...1).contains(part) else { throw RoleError(.invalidArgument, "part is \(part), and goes from 0 to 1") }
    config.failures = part
    return "\(config.version) fails \(JSON.double(part * 100)) % of its requests"
  }

  func delay(_ milliseconds: Int) throws -> String {
    guard (0...60_000).contains(milliseconds) else {
      throw RoleError(.invalidArgument, "milliseconds is \(milliseconds), and goes from 0 to 60000")
    }
    config.delayMs = milliseconds
    return "\(config.version) takes \(milliseconds) ms"
  }

  func reconfigure(_ config: Config) { self.config = config }
}
