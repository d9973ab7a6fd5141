import NodeTesting
import ReplicatedLog
import Testing

/// What is said when something does not work.
@Suite struct FailureTests {
  private func failure(_ work: () throws -> Int) -> String {
    do { return "\(try work())" } catch { return "\(error)" }
  }

  @Test func withoutAMajorityItSaysWhoIsMissing() throws {
    let cluster = try Cluster(3)
    let leader = try cluster.leader(), others = [1, 2, 3].filter { $0 != leader }
    for node in others { cluster.crash(node) }
    let missing = "no majority of the members 1, 2, 3 is linked: \(others[0]) and \(others[1]) are down"
    // The leader has it on its disk, and when the others come back they may get it.
    #expect(
      failure { try cluster.call(leader, "add", "a", 1) }
        == "\(missing); it may have happened: look before you propose it again")
    #expect(failure { try cluster.call(leader, "add", "a", 1) } == "\(missing); it did not happen; try later")
    #expect(failure { try cluster.call(leader, "sum", "a") } == "\(missing); try later")
  }

  @Test func onlyTheLeaderConfirmsThatItLeads() throws {
    let cluster = try Cluster(3)
    let leader = try cluster.leader(), other = leader % 3 + 1
    func lead(_ node: Int) throws -> Bool {
      let call = try cluster.begin(node, "lead")
      cluster.network.advance(by: .milliseconds(100))
      return try call.answer()
    }
    #expect(try lead(leader))
    let error = #expect(throws: RoleError.self) { try lead(other) }
    #expect(error?.message == "this node, \(other), does not lead: member \(leader) does; ask there")
  }

  @Test func anotherListOfMembersIsRefusedOnce() throws {
    let cluster = try Cluster(3)
    _ = try cluster.leader()
    let odd = try FakeHost(Ledger.self, config: ["members": [1, 2, 3, 4]], node: "node-4", id: 4)
    try odd.start()
    try cluster.network.join(odd)
    cluster.network.advance(by: .seconds(3))
    let lines = odd.log.map(\.message)
    #expect(lines.count <= 3, "\(lines)")
    // The three do not know node 4 at all, so it hears nothing that it could complain of.
    let wrong = try FakeHost(Ledger.self, config: ["members": [1, 2, 3, 5]], node: "node-5", id: 5)
    try wrong.start()
    wrong.linkUp(1)
    let foreign = try #require(cluster.hosts[1]?.sent.first)
    for _ in 1...3 { wrong.receive(foreign.bytes, from: 1, channel: foreign.channel) }
    #expect(
      wrong.log.map(\.message) == [
        "node 1 has another list of members than this node, which has 1, 2, 3, 5; nothing that it sends counts until "
          + "both have the same"
      ])
  }

  @Test func aFullDiskIsWaitedFor() throws {
    let host = try FakeHost(Ledger.self)
    try host.start()
    host.store.fault = .full
    let pending = try host.begin("add", "a", 1)
    host.clock.advance(by: .seconds(1))
    #expect(host.log.count { $0.level == .error } == 1)
    host.store.fault = nil
    host.clock.advance(by: .seconds(1))
    #expect(try pending.answer() as Int == 1)

    host.store.fault = .full
    let late = try host.begin("add", "a", 1)
    host.clock.advance(by: .seconds(3))
    let error = #expect(throws: RoleError.self) { try late.answer() as Int }
    #expect(error?.status == .unavailable && error?.message.contains("store of member 1 has no room") == true)
  }

  @Test func aBrokenDiskEndsTheRole() throws {
    let host = try FakeHost(Ledger.self)
    try host.start()
    host.store.fault = .damaged
    #expect(throws: RoleError.self) { try host.call("add", "a", 1, within: .seconds(1)) as Int }
    #expect(host.failure?.status == .dataLoss)
  }

  @Test func whatIsNoLogIsNotBelieved() throws {
    let host = try FakeHost(Ledger.self)
    host.store.put("log/p", "nonsense")
    try host.start()
    let role = try #require(host.role(as: Ledger.self))
    guard case .failure(let error) = role.ready else { throw RoleError(.internal, "it is ready") }
    #expect(error == RoleError(.dataLoss, "what the store has under log/ is no log of this version"))
  }

  @Test func settingsAreChecked() throws {
    func problem(_ members: [Int], _ change: (inout ReplicatedLogSettings) -> Void = { _ in }) -> String? {
      var settings = ReplicatedLogSettings()
      change(&settings)
      return Probe.problem(members, settings)
    }
    #expect(problem([1]) == nil && problem([3, 1, 2]) == nil)
    #expect(problem([])?.contains("0 members; give it 1 to 15") == true)
    #expect(problem([1, 2, 2])?.contains("listed twice") == true)
    #expect(problem([2, 3])?.contains("this node, 1, is none of the members 2, 3") == true)
    #expect(problem([1]) { $0.heartbeat = .milliseconds(200) }?.contains("less than three heartbeats") == true)
    #expect(
      problem([1]) { $0.electionTimeout = .milliseconds(300) ... .milliseconds(300) }?.contains("range") == true)
    #expect(problem([1]) { $0.clockSkewPercent = 51 }?.contains("take 0 to 50") == true)
    #expect(problem([1]) { $0.keptEntries = 20_000 }?.contains("keep no more") == true)
  }
}

/// A role that tries to make a log.
private final class Probe: Role {
  static let about = About("probe", version: "1.0.0", "Tries settings.")
  static let needs = ReplicatedLog.needs
  nonisolated(unsafe) static var wanted: (members: [Int], settings: ReplicatedLogSettings)?

  init(_ context: RoleContext, _ config: NoConfig) throws {
    guard let wanted = Self.wanted else { return }
    _ = try ReplicatedLog(context, members: wanted.members, settings: wanted.settings, state: Sums())
  }

  static func problem(_ members: [Int], _ settings: ReplicatedLogSettings) -> String? {
    wanted = (members, settings)
    defer { wanted = nil }
    do {
      _ = try FakeHost(Probe.self)
      return nil
    } catch { return "\(error)" }
  }
}
