import NodeKit

/// The first role: it greets, adds, answers later, and ticks.
@main
final class Hello: Role, Stateful, HealthReporting {
  struct Config: RoleConfig {
    @Setting("How to greet.", length: 1...64) var greeting = "Hello"
    @Setting("Seconds between two ticks.", in: 1...3600) var tickSeconds = 10
  }

  static let about = About("hello-swift", version: "1.0.0", "Greets, adds and ticks: the first role, in Swift.")
  static let methods = [
    Method("add(a,b)", "The sum of two numbers.", idempotent: true, add),
    Method("greet(who)", "A greeting.", idempotent: true, greet),
    Method("later(text,milliseconds)", "The text, after a while.", later),
    Method("fail(text)", "Fails, with the text as the reason.", fail),
  ]
  static let topics = [Topic("hello-swift.tick", "Every tick, with its number.")]
  static let needs: [Need] = [.timer, .bus, .metrics]
  static let stateVersion = 1
  /// No role lives long enough for more, and counting on from here does not overflow.
  private static let mostTicks = 1 << 60

  private let context: RoleContext
  private let config: Config
  private var ticks = 0

  init(_ context: RoleContext, _ config: Config) {
    self.context = context
    self.config = config
  }

  func start() throws {
    let counter = context.metrics.counter("hello_ticks_total", "How often the role ticked.")
    try context.timer.every(.seconds(config.tickSeconds)) { [self] in
      ticks += 1
      counter.add()
      try context.bus.publish("hello-swift.tick", "\(ticks)")
    }
    try context.bus.subscribe("hello.ping") { [self] event in
      context.log.info("ping: \(event.text)", ["from": .string(event.source)])
    }
  }

  func add(_ a: Int, _ b: Int) throws -> Int {
    let (sum, overflow) = a.addingReportingOverflow(b)
    if overflow { throw RoleError(.outOfRange, "\(a) + \(b) does not fit 64 bits; take smaller numbers") }
    return sum
  }

  func greet(_ who: String) -> String { "\(config.greeting), \(who)!" }

  func later(_ text: String, _ milliseconds: Int, _ reply: Reply<String>) throws {
    guard (0...86_400_000).contains(milliseconds) else {
      throw RoleError(.invalidArgument, "milliseconds is out of range; wait 0 to 86400000")
    }
    let timer = try context.timer.once(after: .milliseconds(milliseconds)) { reply.send(text) }
    reply.onCancel { timer.cancel() }
  }

  func fail(_ text: String) throws { throw RoleError(.failedPrecondition, text) }

  func save() -> String { "\(ticks)" }

  func load(_ state: String, version: Int) throws {
    guard version == Hello.stateVersion, let number = Int(state), (0...Hello.mostTicks).contains(number) else {
      throw RoleError(.invalidArgument, "the state of version \(version) is no count of ticks: \"\(state)\"")
    }
    ticks = number
  }

  func health() -> Health { .ok }
}
