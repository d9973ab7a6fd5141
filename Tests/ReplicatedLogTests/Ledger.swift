import NodeTesting
import ReplicatedLog

/// A role that adds up amounts by name, on as many members as its configuration says.
final class Ledger: Role, Stateful {
  struct Config: RoleConfig {
    @Setting("The node ids of the members.") var members: [Int] = [1]
    @Setting("Entries between snapshots.") var snapshotEntries: Int = 10_000
  }

  static let about = About("ledger", version: "1.0.0", "Adds up.")
  static let needs = ReplicatedLog.needs
  static let methods = [
    Method("add(name,amount)", "Adds to a name's sum, and answers with it.", add),
    Method("sum(name)", "A name's sum.", sum),
    Method("lead()", "Whether this member leads, for sure.", lead),
  ]
  static let stateVersion = 1

  let sums = Sums()
  let log: ReplicatedLog
  private(set) var ready: Result<Void, RoleError>?
  private(set) var standings: [Standing] = []

  init(_ context: RoleContext, _ config: Config) throws {
    var settings = ReplicatedLogSettings()
    settings.snapshotEntries = config.snapshotEntries
    settings.keptEntries = config.snapshotEntries / 2
    settings.timeout = .seconds(2)
    log = try ReplicatedLog(context, members: config.members, settings: settings, state: sums)
  }

  func start() throws {
    log.whenStandingChanges = { [self] in standings.append($0) }
    try log.start { [self] in ready = $0 }
  }

  func save() -> String {
    log.suspend()
    return ""
  }

  func load(_ state: String, version: Int) {}

  func add(_ name: String, _ amount: Int, _ reply: Reply<Int>) {
    log.propose(Array("\(name)=\(amount)".utf8)) { result in
      switch result {
      case .success(let answer): reply.send(Int(String(decoding: answer, as: UTF8.self)) ?? 0)
      case .failure(let error): reply.fail(error)
      }
    }
  }

  func sum(_ name: String, _ reply: Reply<Int>) {
    log.read { [self] result in
      switch result {
      case .success: reply.send(sums.all[name] ?? 0)
      case .failure(let error): reply.fail(error)
      }
    }
  }

  func lead(_ reply: Reply<Bool>) {
    log.confirmLeadership { result in
      switch result {
      case .success: reply.send(true)
      case .failure(let error): reply.fail(error)
      }
    }
  }
}

final class Sums: ReplicatedState {
  private(set) var all: [String: Int] = [:]
  private(set) var applied = 0

  func apply(_ entry: [UInt8], at index: UInt64) -> [UInt8] {
    let parts = String(decoding: entry, as: UTF8.self).split(separator: "=")
    all[String(parts[0]), default: 0] += Int(parts[1]) ?? 0
    applied += 1
    return Array("\(all[String(parts[0])]!)".utf8)
  }

  func snapshot() -> [UInt8] {
    Array(all.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: "\n").utf8)
  }

  func restore(_ snapshot: [UInt8], at index: UInt64) throws {
    all = [:]
    for line in String(decoding: snapshot, as: UTF8.self).split(separator: "\n") {
      let parts = line.split(separator: "=")
      all[String(parts[0])] = Int(parts[1]) ?? 0
    }
  }
}
