import NodeTesting
import Testing

@testable import ElectorCore

/// The role as its plugin makes it.
private final class TestElector: Role {
  static let about = About("elector", version: "1.0.0", "The elector under test.")
  static let needs: [Need] = [.peers, .store, .timer, .random, .bus, .metrics]
  static let methods = [Method("status()", "", idempotent: true, status)]
  static let topics = [Topic("leader.changed", ""), Topic("leader.lease", "")]

  private let elector: ElectorNode

  init(_ context: RoleContext, _ config: ElectorSettings) throws { elector = try ElectorNode(context, config) }
  func start() throws { try elector.start() }
  func status() -> JSON { elector.status() }
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
}
