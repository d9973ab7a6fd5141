import NodeKit
import ProtoFields

/// Clients of the discovery gateways, for worlds: members that register, send heartbeats, leave and come back, and a
/// watcher. Each checks what it is told, and publishes what must not be.
@main
final class Crowd: Role {
  struct Config: RoleConfig {
    @Setting("Of the gateways: http://host:port.") var gateways: [String]
    @Setting("How many there are.", in: 0...1_000) var members = 4
    @Setting("The most milliseconds between two things that a member does.", in: 10...60_000) var pauseMs = 700
    @Setting("The gateways' own.", in: 1...1_000) var nodeTimeoutSeconds = 5
  }

  static let about = About("crowd", version: "1.0.0", "Clients of the gateways, which check what they are told.")
  static let needs: [Need] = [.rpc, .timer, .random, .bus]
  static let methods = [Method("counts()", "What was done so far.", counts)]
  static let topics = [
    Topic("crowd.verdict", "What is broken: nothing, at first."),
    Topic("crowd.bootstrap", "A node was told that it is the first."),
  ]

  let context: RoleContext
  let config: Config
  var done: [String: Int] = [:]
  /// When a call failed last.
  private var failed: Moment?
  private var started = Moment(nanoseconds: 0)
  private var members: [Member] = []
  private var watcher: Watcher?

  init(_ context: RoleContext, _ config: Config) { (self.context, self.config) = (context, config) }

  func start() throws {
    started = context.now
    publish("crowd.verdict", ["run": 1, "broken": "nothing"])
    for number in 0..<config.members {
      let member = Member(self, id: Int32(context.nodeID * 100 + number))
      members.append(member)
      member.rest()
    }
    let watcher = Watcher(self)
    self.watcher = watcher
    watcher.rest()
  }

  func counts() -> JSON { .object(JSONObject(done.sorted { $0.key < $1.key }.map { ($0.key, JSON($0.value)) })) }

  func count(_ what: String) { done[what, default: 0] += 1 }

  /// What must not be.
  func complain(_ words: String) {
    context.log.error(words)
    publish("crowd.verdict", ["run": 1, "broken": .string(words)])
  }

  func publish(_ topic: String, _ payload: JSON) {
    do { try context.bus.publish(topic, payload) } catch { context.log.error("\(error)") }
  }

  func after(_ most: Int, _ body: @escaping () -> Void) {
    _ = try? context.timer.once(after: .milliseconds(context.random.int(in: 5...max(6, most))), body)
  }

  func call(
    _ method: String, _ gateway: Int, _ build: (inout ProtoWriter) -> Void,
    then done: @escaping (Result<ProtoReader, RoleError>) throws -> Void
  ) {
    var writer = ProtoWriter()
    build(&writer)
    let target = config.gateways[gateway % config.gateways.count]
    do {
      try context.rpc.call(
        "/GatewayService/\(method)", at: target, writer.bytes, RpcOptions(timeout: .seconds(2))
      ) { [self] result in
        if case .failure(let error) = result, error.status != .failedPrecondition { failed = context.now }
        try done(result.map { ProtoReader($0) })
      }
    } catch { after(500) { try? done(.failure(RoleError(error))) } }
  }

  /// Nothing has gone wrong for long, so that the gateways may agree on what they have.
  var isQuiet: Bool { (failed ?? started).duration(to: context.now) > .seconds(12) }

  /// How long ago it was started.
  var age: Duration { started.duration(to: context.now) }

  /// The highest term that the watcher was told of.
  var term: UInt64 { watcher?.term ?? 0 }
}
