import NodeKit
import ReplicatedLog

/// Keys and values that all nodes of the cluster agree on, for tests.
@main
final class ReplicatedMap: Role, Stateful, Drainable {
  struct Config: RoleConfig {
    @Setting("Entries between two snapshots.", in: 1...1_000_000) var snapshotEntries = 60
  }

  static let about = About("replicated-map", version: "1.0.0", "Keeps keys and values on all nodes.")
  static let needs = ReplicatedLog.needs + [.bus]
  static let methods = [
    Method("write(key,value)", "Gives a key a value.", write),
    Method("read(key)", "The value of a key; empty if it was never written.", idempotent: true, read),
    Method("status()", "What this member is, and how far it has come.", idempotent: true, status),
    Method("digest()", "Of all that was applied, when this member has everything.", idempotent: true, digest),
  ]
  static let topics = [
    Topic("replicated-map.applied", "Each entry: its index, and the digest of all up to it."),
    Topic("replicated-map.leads", "This member leads a term."),
  ]
  static let stateVersion = 1

  private let context: RoleContext
  private let config: Config
  private let map = Map()
  private var log: ReplicatedLog?

  init(_ context: RoleContext, _ config: Config) { (self.context, self.config) = (context, config) }

  func start() throws {
    var settings = ReplicatedLogSettings()
    settings.snapshotEntries = config.snapshotEntries
    settings.keptEntries = config.snapshotEntries / 3
    let log = try ReplicatedLog(
      context, members: try context.peers.nodes().map(\.id), settings: settings, state: map)
    self.log = log
    map.whenApplied = { [unowned self] index, digest in
      try? context.bus.publish(
        "replicated-map.applied", ["index": JSON(Int(index)), "digest": .string("\(digest)")] as JSON)
    }
    log.whenStandingChanges = { [unowned self] standing in
      guard case .leader(let term) = standing else { return }
      try context.bus.publish(
        "replicated-map.leads", ["term": JSON(Int(term)), "leader": JSON(context.nodeID)] as JSON)
    }
    try log.start { [unowned self] result in
      if case .failure(let error) = result { context.fail(error.status, error.message) }
    }
  }

  func drain() { log?.transferLeadership() }

  /// The store has everything.
  func save() -> String {
    log?.suspend()
    return ""
  }

  func load(_ state: String, version: Int) {}

  func write(_ key: String, _ value: String, _ reply: Reply<Nothing>) {
    log?.propose(Map.entry(key, value)) { result in
      switch result {
      case .success: reply.send()
      case .failure(let error): reply.fail(error)
      }
    }
  }

  func read(_ key: String, _ reply: Reply<String>) {
    log?.read { [map] result in
      switch result {
      case .success: reply.send(map.values[key] ?? "")
      case .failure(let error): reply.fail(error)
      }
    }
  }

  func status() -> String { log.map { "\($0.standing), applied \($0.appliedIndex)" } ?? "" }

  func digest(_ reply: Reply<String>) {
    log?.read { [map] result in
      switch result {
      case .success: reply.send("\(map.digest)")
      case .failure(let error): reply.fail(error)
      }
    }
  }
}
