import NodeTesting
import Testing

@testable import LedgerCore

/// The ledger as its plugin makes it.
private final class TestLedger: Role {
  static let about = About("ledger", version: "1.0.0", "The ledger under test.")
  static let needs: [Need] = [.store]
  static let methods = [
    Method("get(key)", "", get), Method("list(prefix,after,limit)", "", list),
    Method("prepare(transaction,changes)", "", prepare), Method("commit(transaction,changes)", "", commit),
  ]
  private let ledger: Ledger

  init(_ context: RoleContext, _ config: LedgerSettings) { ledger = Ledger(context, config) }
  func start() throws { try ledger.start() }
  func get(_ key: String) throws -> JSON { try ledger.get(key) }
  func list(_ prefix: String, _ after: String, _ limit: Int) throws -> JSON { try ledger.list(prefix, after, limit) }
  func prepare(_ id: String, _ changes: PassedJSON) throws -> PassedJSON { try ledger.prepare(id, changes) }
  func commit(_ id: String, _ changes: PassedJSON, _ reply: Reply<PassedJSON>) throws {
    try ledger.commit(id, changes, reply)
  }
}

@Suite struct LedgerTests {
  private func started(_ config: JSON = [:], _ store: FakeStore = FakeStore()) throws -> FakeHost {
    let host = try FakeHost(TestLedger.self, config: config)
    host.store = store
    try host.start()
    host.clock.advance(by: .milliseconds(1))
    return host
  }

  @Test func aKeyThatCannotBeReadIsNotAKeyThatIsNotThere() throws {
    let store = FakeStore()
    store.put("k/a", [9, 9] as [UInt8])
    let host = try started([:], store)
    #expect(host.failure?.message == "the ledger cannot be read: k/a cannot be read")
    #expect(throws: RoleError.self) { try host.call("get", "a") as JSON }
  }

  private func changes(_ pairs: [(String, JSON)]) -> JSON {
    .array(pairs.map { ["key": .string($0.0), "change": $0.1] })
  }

  /// Both steps, as the coordinator does them.
  private func run(_ id: String, _ pairs: [(String, JSON)], on host: FakeHost) throws -> String {
    let vote: JSON = try host.call("prepare", id, changes(pairs))
    if vote["vote"] == "yes" { _ = try host.call("commit", id, changes(pairs), within: .seconds(1)) as JSON }
    return vote["vote"]?.string ?? ""
  }

  private func value(_ key: String, on host: FakeHost) -> JSON? {
    (try? host.call("get", key) as JSON)?["value"]
  }

  @Test func valuesComeAndGo() throws {
    let host = try started()
    #expect(try run("t1", [("a", ["add": 5]), ("b", ["set": ["x": 1]])], on: host) == "yes")
    #expect(value("a", on: host) == 5 && value("b", on: host) == ["x": 1])
    #expect(try run("t2", [("a", ["add": 0.5]), ("b", ["delete": true])], on: host) == "yes")
    #expect(value("a", on: host) == 5.5 && value("b", on: host) == nil)
    // Of one key, each change sees the one before it.
    #expect(try run("t3", [("c", ["set": 1]), ("c", ["add": 2, "if": ["value": 1]])], on: host) == "yes")
    #expect(value("c", on: host) == 3)
    let list: JSON = try host.call("list", "", "a", 10)
    #expect(list["entries"]?.array?.count == 1 && host.misuse.isEmpty)
  }

  @Test func whoOnlyChecksOnlyReads() throws {
    let host = try started()
    _ = try run("t1", [("a", ["set": 1])], on: host)
    #expect(try run("t2", [("a", ["check": true, "if": ["version": 1]])], on: host) == "read_only")
  }

  /// As it would be typed, and what is said to it.
  private static let refused = [
    (#"{"add": -6, "min": 0}"#, "below 0"), (#"{"add": 6, "max": 10}"#, "above 10"),
    (#"{"set": 1, "if": {"version": 7}}"#, "version 1, not 7"),
    (#"{"set": 1, "if": {"absent": true}}"#, "there already"), (#"{"set": 1, "if": {"value": 4}}"#, "is 5, not 4"),
    (#"{"add": "x"}"#, "no number"), (#"{"set": 1, "add": 1}"#, "one of"), (#"{"sett": 1}"#, "there is no `sett`"),
    (#"{"set": 1, "min": 1}"#, "belong to `add`"), (#"{"set": 1, "if": {}}"#, "not empty"),
    (#"{"add": 9223372036854775807}"#, "range of whole numbers"),
  ]

  @Test(arguments: refused)
  func whatCannotBeIsRefused(_ text: String, _ words: String) throws {
    let host = try started(), change = try JSON(parsing: text)
    _ = try run("t1", [("a", ["set": 5])], on: host)
    do {
      _ = try run("t2", [("a", change)], on: host)
      Issue.record("it is taken: \(change)")
    } catch let error as RoleError { #expect(error.message.contains(words), "\(error)") }
    #expect(value("a", on: host) == 5)
  }

  /// After a crash the coordinator asks again.
  @Test func nothingIsDoneTwice() throws {
    let first = try started()
    _ = try run("t1", [("a", ["add": 5]), ("b", ["delete": true])], on: first)
    let second = try started([:], first.store)
    #expect(try run("t1", [("a", ["add": 5, "max": 7]), ("b", ["delete": true])], on: second) == "yes")
    #expect(value("a", on: second) == 5)
    let entry: JSON = try second.call("get", "a")
    #expect(entry["version"] == 1 && entry["transaction"] == "t1")
  }

  /// The record of the transaction before may outlive that of what has become of it.
  @Test func alsoTheOneBeforeTheLastIsNotDoneTwice() throws {
    let host = try started()
    let first = [("a", ["add": 5, "max": 5] as JSON)], second = [("a", ["delete": true, "if": ["version": 1]] as JSON)]
    _ = try run("t1", first, on: host)
    _ = try run("t2", second, on: host)
    let again = try started([:], host.store)
    #expect(try run("t1", first, on: again) == "yes" && value("a", on: again) == nil)
    #expect(try run("t2", second, on: again) == "yes" && value("a", on: again) == nil)
    // The key's next life begins at its first version.
    _ = try run("t3", [("a", ["set": 1, "if": ["absent": true]])], on: again)
    #expect(try run("t2", second, on: again) == "yes")
    #expect(try again.call("get", "a") as JSON == ["key": "a", "value": 1, "version": 1, "transaction": "t3"])
  }

  @Test func whoIsAskedMeanwhileCountsOnWhatIsBeingWritten() throws {
    let host = try started()
    host.store.takes = .milliseconds(100)
    let commit = try host.begin("commit", "t1", changes([("a", ["add": 5])]))
    #expect(value("a", on: host) == nil, "it is not on the disk")
    let vote: JSON = try host.call("prepare", "t2", changes([("a", ["add": -5, "min": 0])]))
    #expect(vote == ["vote": "yes", "overlaps": true] && commit.result == nil)
    host.clock.advance(by: .milliseconds(100))
    #expect(commit.result != nil && value("a", on: host) == 5)
  }

  @Test func keysThatAreGoneAreNotKeptForEver() throws {
    let host = try started()
    let count = GoneKeys.limit + 2_000
    for first in stride(from: 0, to: count, by: 1_000) {
      _ = try run("t\(first)", (first..<first + 1_000).map { ("k\($0)", ["delete": true]) }, on: host)
    }
    #expect(GoneKeys.limit...GoneKeys.limit + 2_024 ~= host.store.entries.count)
    #expect(host.store["k/k\(count - 1)"] != nil && host.store["k/k1"] == nil)
    let again = try started([:], host.store)
    #expect(try (again.call("list", "", "", 10) as JSON)["entries"] == [])
  }

  @Test func anEntryOfTheFirstFormatIsRead() throws {
    let store = FakeStore()
    var writer = ByteWriter()
    writer.add(1 as UInt8)
    writer.add(7 as Int64)
    writer.add(counted: "t9")
    writer.add(rest: "42".utf8)
    store.put("k/a", writer.bytes)
    let host = try started([:], store)
    #expect(try host.call("get", "a") as JSON == ["key": "a", "value": 42, "version": 7, "transaction": "t9"])
  }

  @Test func aCommitIsOnTheDiskBeforeItIsAnswered() throws {
    let host = try started()
    host.store.fault = .full
    #expect(throws: RoleError.self) { try run("t1", [("a", ["add": 5])], on: host) }
    host.store.fault = nil
    #expect(value("a", on: host) == nil && host.failure == nil)
    #expect(try run("t1", [("a", ["add": 5])], on: host) == "yes" && value("a", on: host) == 5)
  }

  @Test func itHasBounds() throws {
    let host = try started(["keys_limit": 1, "value_bytes": 10])
    _ = try run("t1", [("a", ["set": 1])], on: host)
    #expect(throws: RoleError.self) { try run("t2", [("b", ["set": 1])], on: host) }
    #expect(throws: RoleError.self) { try run("t3", [("a", ["set": "0123456789"])], on: host) }
  }
}
