import NodeTesting
import Testing

@testable import ElectorCore

/// The role as its plugin makes it.
private final class TestElector: Role, Stateful {
  static let about = About("elector", version: "1.0.0", "The elector under test.")
  static let needs: [Need] = [.peers, .store, .timer, .random, .bus, .metrics]
  static let methods = [Method("status()", "", idempotent: true, status)]
  static let topics = [Topic("leader.changed", ""), Topic("leader.lease", "")]

  private let elector: ElectorNode

  init(_ context: RoleContext, _ config: ElectorSettings) throws { elector = try ElectorNode(context, config) }
  func start() throws { try elector.start() }
  func status() -> JSON { elector.status() }

  static let stateVersion = 1
  func save() -> String { elector.save() }
  func load(_ state: String, version: Int) { elector.load(state) }
}

/// Electors with the services of a host.
@Suite struct ElectorNodeTests {
  /// A leader without leases was once asked how long it was sure of its own, and brought its node down.
  @Test(arguments: ["classic", "quorum"]) func aLeaderTellsItsStatus(mode: String) throws {
    let host = try FakeHost(TestElector.self, config: ["mode": .string(mode)])
    try host.start()
    host.clock.advance(by: .seconds(1))
    let status: JSON = try host.call("status")
    #expect(status["state"] == "leading" && status["sure_for_ms"]?.int == nil, "\(status)")
  }

  private func leads(_ host: FakeHost, term: Int64) throws -> Bool {
    let status: JSON = try host.call("status")
    return status["state"] == "leading" && status["term"]?.int == term
  }

  /// Three electors that are linked; the third leads.
  private func three() throws -> (network: FakeNetwork, hosts: [FakeHost]) {
    let network = FakeNetwork()
    let hosts = try (1...3).map {
      try FakeHost(TestElector.self, config: [:], node: "node-\($0)", id: $0, seed: UInt64($0))
    }
    for host in hosts { try network.join(host) }
    for host in hosts { try host.start() }
    network.advance(by: .seconds(2))
    #expect(try leads(hosts[2], term: 1))
    return (network, hosts)
  }

  /// Every swap begins with a `save`, and some end there.
  @Test func aSwapThatIsGivenUpCostsNoLeadership() throws {
    let (network, hosts) = try three()
    for _ in 0..<5 {
      _ = try hosts[2].save()
      network.advance(by: .milliseconds(130))
    }
    #expect(try leads(hosts[2], term: 1))
    // Nor does it for a follower's sake.
    _ = try hosts[0].save()
    network.advance(by: .seconds(1))
    #expect(try leads(hosts[2], term: 1))
  }

  @Test func theNextBuildLeadsOn() throws {
    let host = try FakeHost(TestElector.self, config: [:])
    try host.start()
    host.clock.advance(by: .seconds(1))
    #expect(try leads(host, term: 1))
    let next = try host.swap(to: TestElector.self)
    next.clock.advance(by: .milliseconds(10))
    #expect(try leads(next, term: 1), "in the same term, and at once")
  }

  /// Nobody leads by a state that another build has used, or that is old.
  @Test func aStateCountsOnce() throws {
    let host = try FakeHost(TestElector.self, config: [:])
    try host.start()
    host.clock.advance(by: .seconds(1))
    let state = try host.save()
    func start(after time: Duration) throws -> FakeHost {
      let next = try FakeHost(TestElector.self, config: [:])
      try next.load(state)
      next.clock.advance(by: .seconds(1) + time)
      next.store = host.store
      try next.start()
      next.clock.advance(by: .milliseconds(20))
      host.store = next.store
      return next
    }
    #expect(try leads(start(after: .milliseconds(5)), term: 1))
    #expect(try leads(start(after: .milliseconds(10)), term: 2), "it was used: elected anew")
    // The first one comes back, as from a swap that is undone after its successor has led.
    host.clock.advance(by: .seconds(1))
    #expect(try leads(host, term: 3))
  }
}
