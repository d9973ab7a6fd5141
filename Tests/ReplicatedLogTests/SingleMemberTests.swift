import NodeTesting
import ReplicatedLog
import Testing

/// A log with one member: the usual case on one machine.
@Suite struct SingleMemberTests {
  @Test func anEntryIsAnsweredWhenItIsOnTheDisk() throws {
    let host = try FakeHost(Ledger.self)
    host.store.takes = .milliseconds(5)
    try host.start()
    #expect(try host.call("add", "a", 3, within: .milliseconds(50)) as Int == 3)
    #expect(try host.call("add", "a", 4, within: .milliseconds(50)) as Int == 7)
    let pending = try host.begin("add", "a", 5)
    host.clock.advance(by: .milliseconds(4))
    #expect(pending.result == nil)
    host.clock.advance(by: .milliseconds(2))
    #expect(try pending.answer() as Int == 12)
    #expect(host.sent.isEmpty && host.misuse.isEmpty)
  }

  @Test func whatIsProposedWhileTheDiskIsBusyGoesToItTogether() throws {
    let host = try FakeHost(Ledger.self)
    host.store.takes = .milliseconds(5)
    try host.start()
    #expect(try host.call("add", "b", 1, within: .milliseconds(50)) as Int == 1)
    let before = host.store.entries.count
    let pending = try (1...50).map { try host.begin("add", "a", $0) }
    host.clock.advance(by: .milliseconds(6))
    #expect(pending[0].result != nil && pending[1].result == nil, "the first has gone ahead")
    host.clock.advance(by: .milliseconds(5))
    for (place, call) in pending.enumerated() { #expect(try call.answer() as Int == (place + 1) * (place + 2) / 2) }
    #expect(host.store.entries.count == before + 2)
    #expect(host.misuse.isEmpty)
  }

  @Test func whatWaitsForADiskThatHangsFailsInItsTime() throws {
    let host = try FakeHost(Ledger.self)
    try host.start()
    #expect(try host.call("add", "a", 1) as Int == 1)
    host.store.takes = .seconds(3_600)
    let pending = try (1...3).map { try host.begin("add", "a", $0) }
    host.clock.advance(by: .milliseconds(1_900))
    #expect(pending.allSatisfy { $0.result == nil })
    host.clock.advance(by: .milliseconds(200))
    for call in pending { #expect(throws: RoleError.self) { try call.answer() as Int } }
  }

  @Test func itLeadsAtOnceAndHasEverythingAfterARestart() throws {
    let host = try FakeHost(Ledger.self)
    try host.start()
    let start = host.clock.now
    for amount in 1...10 { _ = try host.call("add", "a", amount) as Int }
    #expect(host.clock.now == start, "no time passes")

    let next = try FakeHost(Ledger.self)
    next.store = host.store
    try next.start()
    let role = try #require(next.role(as: Ledger.self))
    #expect((try? role.ready?.get()) != nil)
    #expect(role.sums.all == ["a": 55] && role.sums.applied == 10)
    #expect(role.standings == [.leader(term: 2)])
    #expect(try next.call("sum", "a") as Int == 55)
  }

  @Test func snapshotsTakeThePlaceOfEntries() throws {
    let host = try FakeHost(Ledger.self, config: ["snapshot_entries": 20])
    try host.start()
    for amount in 1...100 { _ = try host.call("add", "a", amount) as Int }
    #expect(host.store.entries.count < 50)
    let next = try FakeHost(Ledger.self)
    next.store = host.store
    try next.start()
    let role = try #require(next.role(as: Ledger.self))
    #expect(role.sums.all == ["a": 5050] && role.sums.applied < 50)
  }
}
