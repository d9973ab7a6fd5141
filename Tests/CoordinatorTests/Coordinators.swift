import NodeTesting

@testable import CoordinatorCore

/// The role as its plugin makes it.
final class TestCoordinator: Role {
  static let about = About("coordinator", version: "1.0.0", "The coordinator under test.")
  static let needs: [Need] = [.peers, .store, .timer, .random, .bus, .roles, .metrics]
  static let methods = [
    Method("propose(proposal)", "", propose), Method("status(id)", "", status), Method("show(id)", "", show),
    Method("list(what,limit)", "", list), Method("resolve(id,outcome,why)", "", resolve), Method("state()", "", state),
  ]
  static let topics = [Topic("coordinator.decided", ""), Topic("coordinator.heuristic", "")]

  let node: CoordinatorNode

  init(_ context: RoleContext, _ config: CoordinatorSettings) throws { node = try CoordinatorNode(context, config) }
  func start() throws { try node.start() }
  func propose(_ proposal: PassedJSON, _ reply: Reply<PassedJSON>) { node.propose(proposal, reply) }
  func status(_ id: String, _ reply: Reply<JSON>) throws { try node.status(id, reply) }
  func show(_ id: String, _ reply: Reply<JSON>) throws { try node.show(id, reply) }
  func list(_ what: String, _ limit: Int) throws -> JSON { try node.list(what, limit) }
  func resolve(_ id: String, _ outcome: String, _ why: String) throws -> String { try node.resolve(id, outcome, why) }
  func state() -> JSON { node.state() }
}

/// Three coordinators that are linked, each with a resource `r` that the test plays.
final class Coordinators {
  let network = FakeNetwork()
  private(set) var hosts: [FakeHost] = []
  /// What the resources were asked, by node.
  private(set) var asked: [Int: [String]] = [:]
  /// What a resource answers to `prepare`.
  var vote: (_ node: Int, _ id: String) throws -> JSON = { _, _ in ["vote": "yes"] }
  /// Whether a resource carries out what was decided.
  var carriesOut: (_ node: Int) -> Bool = { _ in true }
  private let config: JSON

  /// - Parameter elector: a majority decides, and the test plays the elector; else node 1 decides alone.
  init(elector: Bool = false, _ more: [(String, JSON)] = []) throws {
    let settings: [(String, JSON)] = [
      elector ? ("elector", "elector") : ("node", 1), ("vote_ms", 500), ("doubt_ms", 200), ("propose_ms", 2_000),
    ]
    let names = Set(more.map(\.0))
    config = .object(JSONObject(settings.filter { !names.contains($0.0) } + more))
    for id in 1...3 { hosts.append(try make(id)) }
    for host in hosts { try network.join(host) }
    for host in hosts { try host.start() }
    pass(.milliseconds(100))
  }

  subscript(id: Int) -> FakeHost { hosts[id - 1] }
  func core(_ id: Int) -> CommitProtocol { self[id].role(as: TestCoordinator.self)!.node.core }
  func pass(_ time: Duration) { network.advance(by: time) }

  private func make(_ id: Int) throws -> FakeHost {
    let host = try FakeHost(
      TestCoordinator.self, config: config, name: "coordinator", node: "node-\(id)", id: id, seed: UInt64(id))
    resource(at: id, of: host)
    host.stub("elector", "status") { () -> JSON in ["mode": "quorum", "state": "following", "leader": .null] }
    return host
  }

  /// - Parameter takes: so long each answer of the resource takes.
  func resource(at id: Int, takes: Duration) { resource(at: id, of: self[id], takes: takes) }

  private func resource(at id: Int, of host: FakeHost, takes: Duration = .milliseconds(1)) {
    func note(_ words: String) { asked[id, default: []].append(words) }
    host.stub("r", "prepare", after: takes) { [unowned self] (transaction: String, changes: JSON) -> JSON in
      note("prepare \(transaction)")
      return try vote(id, transaction)
    }
    for verb in ["commit", "abort"] {
      host.stub("r", verb, after: takes) { [unowned self] (transaction: String, changes: JSON) -> JSON in
        guard carriesOut(id) else { throw RoleError(.unavailable, "not now") }
        note("\(verb) \(transaction)")
        return [:]
      }
    }
  }

  func elect(_ id: Int, term: Int) {
    for (place, host) in hosts.enumerated() {
      host.publish(
        "leader.changed",
        ["leader": JSON(id), "term": JSON(term), "node": JSON(place + 1), "self": .bool(place + 1 == id)] as JSON)
    }
    pass(.milliseconds(50))
  }

  /// A node is gone, and starts again with what its disk has.
  func restart(_ id: Int, after away: Duration, partedFrom other: Int) throws {
    let old = self[id]
    network.crash(old)
    pass(away)
    let new = try make(id)
    new.store = old.store
    new.clock.advance(by: .nanoseconds(self[id % 3 + 1].clock.now.nanoseconds))
    hosts[id - 1] = new
    try network.join(new)
    network.part([id], from: [other])
    try new.start()
  }

  // MARK: What a test asks

  func propose(_ proposal: JSON, at id: Int = 1) throws -> PendingCall { try self[id].begin("propose", proposal) }

  /// Proposes, and moves the clocks until there is an answer or the time is over.
  func outcome(_ proposal: JSON, at id: Int = 1, within time: Duration = .seconds(5)) throws -> JSON {
    let call = try propose(proposal, at: id)
    var left = time
    while call.result == nil, left > .zero {
      pass(.milliseconds(1))
      left -= .milliseconds(1)
    }
    return try call.answer()
  }

  func ask(_ id: Int, _ method: String, _ words: String...) throws -> JSON {
    let call = try self[id].begin(method, values: words.map { $0.value })
    pass(.seconds(2))
    return try call.answer()
  }

  /// The keys of a node's store that begin so.
  func keys(_ id: Int, _ prefix: String) -> [String] {
    self[id].store.entries.keys.map { String(decoding: $0, as: UTF8.self) }.filter { $0.hasPrefix(prefix) }.sorted()
  }

  static func change(_ key: String = "k", nodes: [Int]? = nil) -> JSON {
    var change = JSONObject([("resource", "r"), ("key", .string(key)), ("change", 1)])
    if let nodes { change["nodes"] = .array(nodes.map { JSON($0) }) }
    return .object(change)
  }
}
