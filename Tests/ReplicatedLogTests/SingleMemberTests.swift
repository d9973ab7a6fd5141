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
