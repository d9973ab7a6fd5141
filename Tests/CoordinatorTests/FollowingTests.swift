import NodeKit
import Testing

@testable import CoordinatorCore

/// Transactions on one key, of which one is prepared while another is still being carried out.
@Suite struct FollowingTests {
  /// Node 2 has been told to commit the first, and has not done so.
  private func busy(overlaps: Bool = true) -> Bank {
    let bank = Bank()
    for id in 1...3 { bank[id].overlaps = overlaps }
    bank[2].isCommitHeld = true
    bank.propose(.proposal())
    return bank
  }

  @Test func whileOneIsCarriedOutTheNextIsPrepared() {
    let bank = busy()
    let second = bank.propose(.proposal())
    #expect(bank[2].asked == ["prepare 1.1.1", "commit 1.1.1", "prepare 1.1.2"])
    #expect(bank.decision(second)?.outcome == .commit)
    #expect(bank[2].core.local["1.1.2"]?.stage == .following && bank[2].core.find("1.1.2").state == .decided)
    #expect(bank.isCommitted("1.1.2", on: [1, 3]))
    // A third would have to know what the second has done.
    let third = bank.propose(.proposal())
    #expect(bank[2].asked.count == 3 && bank.decision(third) == nil)
    bank[2].isCommitHeld = false
    bank.answerHeld(at: 2)
    #expect(bank[2].asked.suffix(3) == ["commit 1.1.2", "prepare 1.1.3", "commit 1.1.3"])
    #expect(bank[2].core.local.isEmpty && bank[2].core.ahead.isEmpty && bank[2].core.locks.count == 0)
    #expect(bank[2].keys("p/").isEmpty && bank.decision(third)?.outcome == .commit)
  }

  @Test func aResourceThatDoesNotSaySoIsWaitedFor() {
    let bank = busy(overlaps: false)
    bank.propose(.proposal())
    #expect(bank[2].asked == ["prepare 1.1.1", "commit 1.1.1"])
    bank.answerHeld(at: 2)
    #expect(bank[2].asked == ["prepare 1.1.1", "commit 1.1.1", "prepare 1.1.2", "commit 1.1.2"])
  }

  @Test func anotherKeyIsAnotherRow() {
    let bank = busy()
    bank.propose(.proposal(key: "other"))
    #expect(bank[2].asked.suffix(2) == ["prepare 1.1.2", "commit 1.1.2"])
    #expect(bank[2].core.local["1.1.2"]?.behind.isEmpty == true)
  }

  @Test func anAbortWaitsForItsTurnToo() {
    let bank = busy()
    bank[3].refusal = { $0 == "1.1.2" ? "no" : nil }
    bank.propose(.proposal())
    #expect(bank[2].core.local["1.1.2"]?.stage == .following && bank[2].asked.last == "prepare 1.1.2")
    bank[2].isCommitHeld = false
    bank.answerHeld(at: 2)
    #expect(bank[2].asked.last == "abort 1.1.2" && bank[2].core.local.isEmpty)
  }

  /// Both are prepared as far as the disk knows.
  @Test func afterACrashTheyAreCarriedOutInTheirOrder() throws {
    let bank = busy()
    bank.loses = { message, node in
      if node == 2, case .outcome(let decisions) = message { decisions.contains { $0.id == "1.1.1" } } else { false }
    }
    bank.propose(.proposal())
    bank.crash(2)
    bank[2].isCommitHeld = false
    #expect(bank[2].keys("p/") == ["p/1.1.1", "p/1.1.2"])
    let before = bank[2].asked.count
    try bank.restart(2)
    // The later one's outcome is known first.
    #expect(bank[2].core.local["1.1.2"]?.stage == .following && bank[2].core.local["1.1.1"]?.isInDoubt == true)
    #expect(bank[2].asked.dropFirst(before) == ["prepare 1.1.1"], "what follows is not asked before")
    bank.propose(.proposal())
    #expect(bank[2].core.local["1.1.3"]?.stage == .waiting)
    bank.loses = { _, _ in false }
    bank.pass(seconds: 3)
    #expect(
      bank[2].asked.dropFirst(before) == [
        "prepare 1.1.1", "commit 1.1.1", "prepare 1.1.2", "commit 1.1.2", "prepare 1.1.3", "commit 1.1.3",
      ])
    for id in ["1.1.1", "1.1.2", "1.1.3"] { #expect(bank.isCommitted(id)) }
    #expect(bank[2].errors.isEmpty && bank[2].keys("p/").isEmpty)
  }

  /// It has forgotten both, and counts the later on the earlier.
  @Test func aResourceThatIsStartedAnewIsAskedInTheirOrder() {
    let bank = busy()
    bank.loses = { message, _ in
      if case .outcome(let decisions) = message { decisions.contains { $0.id == "1.1.2" } } else { false }
    }
    bank.propose(.proposal())
    #expect(bank[2].core.local["1.1.2"]?.isInDoubt == true)
    let before = bank[2].asked.count
    bank.restartResource(at: 2)
    #expect(bank[2].asked.count == before)
    bank[2].isCommitHeld = false
    bank.answerHeld(at: 2, refusal: "it has gone")
    bank.pass(seconds: 0.2)
    #expect(bank[2].asked.dropFirst(before) == ["prepare 1.1.1", "commit 1.1.1", "prepare 1.1.2"])
    bank.loses = { _, _ in false }
    bank.pass(seconds: 3)
    #expect(bank.isCommitted("1.1.1") && bank.isCommitted("1.1.2") && bank[2].errors.isEmpty)
  }

  @Test func aRecordSaysWhomItFollows() throws {
    let transaction = Transaction(
      id: "b", ballot: Ballot(term: 1, run: 2), began: 3, members: [.init(node: 1, run: 1)], needed: 1,
      shares: [Share(resource: "r", keys: ["k"], changes: "[]")])
    var record = PreparedRecord(transaction)
    #expect(record.bytes.first == 1)
    record.behind = ["a", "c"]
    #expect(record.bytes.first == 2)
    #expect(try PreparedRecord(record.bytes) == record)
    #expect(throws: MalformedBytes.self) { try PreparedRecord(Array(record.bytes.dropLast())) }
  }
}
