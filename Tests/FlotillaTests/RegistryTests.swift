import NodeKit
import Testing

@testable import FlotillaCore

/// Who is there, by announcements and heartbeats.
@Suite struct RegistryTests {
  private func at(_ seconds: Double) -> Moment { Moment(nanoseconds: Int64(seconds * 1e9)) }

  private func advert(_ id: String, _ port: Int = 1) -> ClientAdvert {
    ClientAdvert(id: id, name: id, address: "10.0.0.1", port: port)
  }

  private func reasons(_ changes: [ClientRegistry.Change]) -> [String] {
    changes.map { change in
      switch change {
      case .joined(let client): "joined \(client.name)"
      case .updated(let client): "updated \(client.name)"
      case .left(let client, _): "left \(client.name)"
      }
    }
  }

  @Test func aClientGoesAndComesBackByAHeartbeat() throws {
    var registry = ClientRegistry(limit: 10, patience: .seconds(27))
    #expect(try reasons([registry.announced(advert("a"), at: at(0))].compactMap { $0 }) == ["joined a"])
    #expect(registry.heard("a", at: at(5)) == .known)
    #expect(registry.sweep(at: at(31.9)).isEmpty && registry.there.count == 1)
    #expect(reasons(registry.sweep(at: at(32))) == ["left a"])
    #expect(registry.there.isEmpty && registry.sweep(at: at(40)).isEmpty, "it goes once")
    guard case .returned(let client) = registry.heard("a", at: at(50)) else {
      Issue.record("it has not come back")
      return
    }
    #expect(client.name == "a" && registry.there.count == 1 && registry.revision == 3)
    #expect(registry.sweep(at: at(76.9)).isEmpty)
  }

  @Test func announcementsTellWhatIsNew() throws {
    var registry = ClientRegistry(limit: 10, patience: .seconds(1))
    _ = try registry.announced(advert("a"), at: at(0))
    #expect(try registry.announced(advert("a"), at: at(0.5)) == nil, "the same again")
    #expect(try reasons([registry.announced(advert("a", 2), at: at(0.9))].compactMap { $0 }) == ["updated a"])
    _ = registry.sweep(at: at(2))
    #expect(try reasons([registry.announced(advert("a", 2), at: at(3))].compactMap { $0 }) == ["joined a"])
    #expect(registry.heard("b", at: at(3)) == .stranger)
  }

  /// While nobody can be heard nobody is missed.
  @Test func timeWithoutABrokerDoesNotCount() throws {
    var registry = ClientRegistry(limit: 10, patience: .seconds(2))
    _ = try registry.announced(advert("a"), at: at(0))
    registry.forgive(at: at(100))
    #expect(registry.sweep(at: at(101.9)).isEmpty && registry.sweep(at: at(102)).count == 1)
    registry.forgive(at: at(200))
    #expect(registry.there.isEmpty, "who was gone before is not there")
  }

  @Test func roomIsMadeByThoseThatAreGone() throws {
    var registry = ClientRegistry(limit: 2, patience: .seconds(2))
    _ = try registry.announced(advert("a"), at: at(0))
    _ = try registry.announced(advert("b"), at: at(1))
    #expect(throws: RoleError.self) { try registry.announced(advert("c"), at: at(1.5)) }
    _ = registry.sweep(at: at(2.5))
    _ = try registry.announced(advert("c"), at: at(2.5))
    #expect(registry.there.map(\.name) == ["b", "c"] && registry.heard("a", at: at(3)) == .stranger)
    #expect(try registry.announced(advert("b"), at: at(3)) == nil, "who is known needs no room")
  }

  @Test func whoCanTrainIsListedAsSuch() throws {
    var registry = ClientRegistry(limit: 9, patience: .seconds(2), bridges: ["pi_1": "10.0.0.9:6000"])
    let original = try ClientAdvert(Array(MessageTests.original.utf8))
    var plain = original
    (plain.id, plain.name) = ("77", "other")
    var ours = advert("node-b", 50053)
    ours.service = ClientAdvert.service
    for advert in [original, plain, ours] { _ = try registry.announced(advert, at: at(0)) }
    let nodes = registry.there.map(\.json)
    #expect(nodes.map { $0["name"] } == ["node-b", "other-77", "pi_1-3f2a9c01"])
    #expect(nodes[0]["capabilities"] == ["trainer"] && nodes[0]["why_not"] == nil)
    #expect(nodes[1]["capabilities"] == ["flotilla-client"])
    #expect(nodes[1]["why_not"]?.string?.contains("nodehost_flotilla_bridge") == true)
    #expect(nodes[1]["address"] == "10.0.0.7" && nodes[1]["port"] == 50053)
    #expect(nodes[2]["capabilities"] == ["trainer", "flotilla-client"] && nodes[2]["why_not"] == nil)
    #expect(nodes[2]["address"] == "10.0.0.9" && nodes[2]["port"] == 6000)
    #expect(nodes[2]["labels"]?["bridge_for"] == "10.0.0.7:50053")
  }

  @Test func warningsAreFew() {
    var complaints = Complaints()
    #expect(complaints.words("a", "bad", at: at(0)) == "bad")
    for _ in 0..<50 { #expect(complaints.words("a", "bad", at: at(1)) == nil) }
    #expect(complaints.words("b", "other", at: at(1)) == "other")
    #expect(complaints.words("a", "bad", at: at(10)) == "bad (and 50 more like it since)")
    #expect(complaints.words("a", "bad", at: at(20)) == "bad")
  }

  @Test func pausesGrowToTheirLimit() {
    var pauses = Pauses(first: .milliseconds(500), longest: .seconds(3))
    #expect(
      (0..<5).map { _ in pauses.next(1) } == [.milliseconds(500), .seconds(1), .seconds(2), .seconds(3), .seconds(3)])
    #expect(pauses.next(0) == .milliseconds(1500))
    pauses.reset()
    #expect(pauses.next(1) == .milliseconds(500))
  }

  @Test(arguments: [("1.2.3.4:5", "1.2.3.4", 5), ("[::1]:80", "::1", 80), ("fe80::1:50053", "fe80::1", 50053)])
  func endpointsAreRead(_ text: String, _ host: String, _ port: Int) throws {
    let parts = try #require(Endpoint.parts(text))
    #expect(parts.host == host && parts.port == port)
  }

  @Test func endpointsThatAreNone() {
    for text in ["", ":", "a", "a:", ":1", "a b:1", "a:99999", "a:-1", "a:+1", "é:1", "[]:1"] {
      #expect(Endpoint.parts(text) == nil, "\(text)")
    }
  }
}
