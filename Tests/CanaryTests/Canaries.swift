import NodeTesting

@testable import CanaryCore

/// The role as its plugin makes it.
final class TestCanary: Role, Stateful {
  static let about = About("canary", version: "1.0.0", "The canary router under test.")
  static let needs: [Need] = [.http, .client, .peers, .store, .timer, .random, .bus, .roles, .metrics]
  static let methods = [
    Method("status()", "", status), Method("history(limit)", "", history), Method("start(request)", "", begin),
    Method("promote(request)", "", promote), Method("pause(request)", "", pause), Method("resume(request)", "", resume),
    Method("abort_rollout(request)", "", giveUp), Method("set(request)", "", set),
    Method("report(request)", "", report),
  ]
  static let topics = [Topic("canary.changed", ""), Topic("canary.decided", "")]

  let canary: CanaryNode

  init(_ context: RoleContext, _ config: CanarySettings) throws { canary = try CanaryNode(context, config) }
  func start() throws { try canary.start() }
  func status() -> JSON { canary.status(here: true) }
  func history(_ limit: Int, _ reply: Reply<JSON>) throws { try canary.history(limit, reply) }
  func begin(_ request: JSON, _ reply: Reply<JSON>) throws { try canary.start(request, reply) }
  func promote(_ request: JSON, _ reply: Reply<JSON>) throws { try canary.promote(request, reply) }
  func pause(_ request: JSON, _ reply: Reply<JSON>) throws { try canary.pause(request, reply) }
  func resume(_ request: JSON, _ reply: Reply<JSON>) throws { try canary.resume(request, reply) }
  func giveUp(_ request: JSON, _ reply: Reply<JSON>) throws { try canary.giveUp(request, reply) }
  func set(_ request: JSON, _ reply: Reply<JSON>) { canary.set(request, reply) }
  func report(_ request: JSON) throws -> JSON { try canary.report(request) }

  static let stateVersion = 1
  func save() -> JSON { canary.saved() }
  func load(_ saved: JSON, version: Int) throws { try canary.restore(saved) }
}

/// Three canary routers that are linked, with a stand-in for the coordinator: it asks all nodes that are up, and
/// carries out what a majority agrees to.
final class Canaries {
  static let initial: JSON = ["versions": [["id": "v1", "weight": 100], ["id": "v2", "weight": 0]], "stable": "v1"]

  let network = FakeNetwork()
  private(set) var hosts: [FakeHost] = []
  /// The nodes that take part in transactions.
  var reachable: Set<Int> = [1, 2, 3]
  private let config: JSON
  /// Every proposal's outcome, and why not.
  private(set) var outcomes: [String] = []

  init(initial: JSON = Canaries.initial, _ more: [(String, JSON)] = []) throws {
    config = .object(JSONObject([("elector", "elector"), ("initial", initial)] + more))
    for id in 1...3 { hosts.append(try make(id)) }
    for host in hosts { try network.join(host) }
    for host in hosts { try host.start() }
    pass(.milliseconds(10))
  }

  subscript(id: Int) -> FakeHost { hosts[id - 1] }
  func canary(_ id: Int) -> CanaryNode { self[id].role(as: TestCanary.self)!.canary }
  func pass(_ time: Duration) { network.advance(by: time, step: .milliseconds(10)) }

  private func make(_ id: Int) throws -> FakeHost {
    let host = try FakeHost(
      TestCanary.self, config: config, name: "canary", node: "node-\(id)", id: id, seed: UInt64(id))
    host.stub("coordinator", "propose", after: .milliseconds(20)) { [unowned self] (proposal: JSON) in
      propose(proposal, from: id)
    }
    return host
  }

  private func propose(_ proposal: JSON, from id: Int) -> JSON {
    guard reachable.contains(id), let change = proposal["changes"]?[0] else {
      return ["outcome": "ABORT", "reason": "alone"]
    }
    let changes: JSON = [["key": change["key"]!, "change": change["change"]!]]
    var votes: [(String, JSON)] = []
    var isRefused = false
    for node in reachable.sorted() {
      do {
        _ = try canary(node).prepare("t", changes)
        votes.append(("\(node)", "yes"))
      } catch {
        isRefused = true
        votes.append(("\(node)", .string("no: \(error)")))
      }
    }
    guard !isRefused, votes.count >= 2 else {
      outcomes.append("ABORT \(JSON.object(JSONObject(votes)))")
      return ["outcome": "ABORT", "votes": .object(JSONObject(votes))]
    }
    let state = try! RoutingState(change["change"]!["state"]!)
    for node in reachable.sorted() { canary(node).install(state) { _ in } }
    outcomes.append("COMMIT \(state.version)")
    return ["txid": proposal["id"]!, "outcome": "COMMIT"]
  }

  func elect(_ id: Int) {
    for (place, host) in hosts.enumerated() {
      host.publish(
        "leader.changed",
        ["leader": JSON(id), "term": 1, "node": JSON(place + 1), "self": .bool(place + 1 == id)] as JSON)
    }
    pass(.milliseconds(20))
  }

  /// Calls a method that changes something, and waits for the answer.
  func ask(_ id: Int, _ method: String, _ request: JSON) throws -> JSON {
    let call = try self[id].begin(method, request)
    pass(.seconds(1))
    return try call.answer()
  }

  /// Seconds in which each version errs so often; all nodes get the same load.
  func serve(_ seconds: Int, requests: Int = 60, errors: [String: Double], random: inout SplitMix) throws {
    for _ in 0..<seconds {
      for id in 1...3 {
        for release in canary(id).state.releases where release.share != .none {
          let count = Int64(Double(requests) * release.share.fraction)
          var tally = Tally()
          for _ in 0..<max(1, count) {
            tally.note(isGood: random.next() >= errors[release.id] ?? 0, microseconds: 20_000)
          }
          canary(id).note(tally, of: release.id)
        }
      }
      pass(.seconds(1))
    }
  }

  func restart(_ id: Int) throws {
    let old = self[id]
    network.crash(old)
    let new = try make(id)
    new.store = old.store
    new.clock.advance(by: old.clock.now.duration(to: old.clock.now) + .nanoseconds(old.clock.now.nanoseconds))
    hosts[id - 1] = new
    try network.join(new)
    try new.start()
    pass(.milliseconds(10))
  }

  var versions: [Int64] { (1...3).map { canary($0).state.version } }
  var digests: Set<String> { Set((1...3).map { canary($0).digest }) }
}
