import FuzzSupport
import NodeKit
import Testing

@testable import CoordinatorCore

/// What the protocol adds to the papers.
@Suite struct ProtocolTests {
  @Test func participantsSettleItIfOneHasNotVoted() throws {
    let bank = Bank()
    bank.loses = { message, node in
      if case .prepare = message { node == 3 } else if case .vote = message { node == 1 } else { false }
    }
    bank.propose(.proposal(nodes: [2, 3]))
    bank.crash(1)
    #expect(bank[2].core.local["1.1.1"]?.isInDoubt == true)
    bank.pass(seconds: 10)
    #expect(bank[2].outcome("1.1.1") == .abort && bank[3].core.history["1.1.1"] != nil)
    // Its word holds, also after a restart.
    bank.loses = { _, _ in false }
    bank.crash(3)
    try bank.restart(3)
    #expect(bank[3].core.history["1.1.1"]?.end == .refused)
  }

  /// One that was started again may have voted that it only reads.
  @Test func whoMayHaveForgottenItsVoteRefusesNothing() throws {
    let bank = Bank()
    bank[3].isReader = true
    bank.loses = { message, node in if case .vote(_, _, .yes) = message, node == 1 { true } else { false } }
    bank.propose(.proposal(nodes: [2, 3]))
    bank.crash(1)
    bank.crash(3)
    try bank.restart(3)
    bank.pass(seconds: 20)
    #expect(bank[2].core.local["1.1.1"]?.isInDoubt == true)
  }

  /// It was away while the others have forgotten all about it, and they are the first that it can ask.
  @Test func whoHasForgottenWhatItVotedForRefusesNothing() throws {
    let bank = Bank()
    bank.loses = { message, node in if case .outcome = message { node == 3 } else { false } }
    let ticket = bank.propose(.proposal(nodes: [2, 3]))
    #expect(bank.decision(ticket)?.outcome == .commit && bank[3].core.local["1.1.1"]?.isInDoubt == true)
    bank.part(1, 3)
    bank.part(2, 3)
    for _ in 1...101 { bank.propose(.proposal(key: "other", nodes: [1, 2])) }
    #expect(bank[2].core.history["1.1.1"] == nil)
    bank.heal(2, 3)
    bank.pass(seconds: 30)
    #expect(bank[3].core.local["1.1.1"]?.isInDoubt == true)
    bank.loses = { _, _ in false }
    bank.heal(1, 3)
    bank.pass(seconds: 10)
    #expect(bank[3].carriedOut == ["commit 1.1.1"] && bank[1].keys("d/").isEmpty)
    // From here on nobody is in doubt about it, so the others need not remember it.
    bank.propose(.proposal(nodes: [1, 2]))
    #expect(bank[2].core.votes.isWithout("1.1.1"))
  }

  /// A world has found it: the coordinator aborted what its only participant was committing.
  @Test func whatOneDecidesAloneNobodyElseDecides() throws {
    let bank = Bank()
    func failed(_ ticket: UInt64) -> Bool {
      if case .failed(_, _, true)? = bank[1].answers[ticket] { true } else { false }
    }
    // Its record is on the way to the disk when the link breaks.
    bank[2].isDiskHeld = true
    let first = bank.propose(.proposal("a", nodes: [2]))
    bank.part(1, 2)
    let second = bank.propose(.proposal("a", nodes: [2]))
    #expect(failed(first) && failed(second) && bank[1].outcome("a") == nil)
    bank.heal(1, 2)
    // It is asked once more before it is there, by another life of the coordinator.
    bank.crash(1)
    try bank.restart(1)
    let third = bank.propose(.proposal("a", nodes: [2]))
    #expect(bank.decision(third) == nil)
    bank[2].isDiskHeld = false
    bank.settle()
    #expect(bank.decision(third)?.outcome == .commit && bank[2].carriedOut == ["commit a"])
    // Nor is it aborted while others have its keys: it may have been asked before.
    bank[2].isDiskHeld = true
    bank.propose(.proposal("b", nodes: [2]))
    let waiting = bank.propose(.proposal("c", nodes: [2])), unnamed = bank.propose(.proposal(nodes: [2]))
    bank.pass(seconds: 3)
    #expect(failed(waiting) && bank[1].outcome("c") == nil && bank.decision(unnamed)?.outcome == .abort)
  }

  /// A world has found it: who proposed it again was told of a commit that went with its node's power.
  @Test func whatOneDecidesAloneIsNotFoundBeforeItIsOnTheDisk() throws {
    let bank = Bank(majority: true)
    bank.elect(1, term: 1)
    bank[2].isDiskHeld = true
    bank.propose(.proposal("a", nodes: [2]))
    bank.pass(seconds: 3)
    let again = bank.propose(.proposal("a", nodes: [2]))
    #expect(bank.decision(again) == nil && bank[2].core.find("a").state == .preparing)
    bank[2].isDiskHeld = false
    bank.settle()
    #expect(bank.decision(again)?.outcome == .commit && bank[2].core.find("a").state == .decided)
    #expect(bank[2].carriedOut == ["commit a"])
  }

  /// Else participants would have to remember all votes from there on.
  @Test func whatOneDecidesAloneIsSettledToo() {
    let bank = Bank(), core = bank[1].core
    for nodes in [[2], [2, 3], [1]] { bank.propose(.proposal(nodes: nodes, "\"wait\":\"applied\",")) }
    bank.pass(seconds: 2)
    #expect(core.told.isEmpty && core.unsettled.floor(of: core.ballot) == Mark(ballot: core.ballot, number: 4))
  }

  /// With a majority, a no that nobody heard is no outcome.
  @Test func whoHasOnlyRefusedSaysNoOutcome() throws {
    let bank = Bank()
    // Of its two resources one refuses, and the other does not answer to the abort.
    bank[2].refusedResource = "q"
    bank[2].isResourceSlow = true
    bank.loses = { message, node in
      switch message {
      case .vote(_, _, .no): node == 1
      case .outcome: node != 1
      default: false
      }
    }
    let change = "\"key\":\"k\",\"change\":1"
    let ticket = bank.propose(
      "{\"need\":\"majority\",\"changes\":[{\"resource\":\"r\",\(change)},{\"resource\":\"q\",\(change)}]}")
    bank.pass(seconds: 3)
    #expect(bank.decision(ticket)?.outcome == .commit && bank[3].core.local["1.1.1"]?.isInDoubt == true)
    #expect(bank[2].core.local["1.1.1"]?.stage == .ending && bank[2].core.find("1.1.1").state == .refused)
    bank.part(1, 3)
    bank.loses = { _, _ in false }
    bank.pass(seconds: 10)
    #expect(bank[3].core.local["1.1.1"]?.isInDoubt == true && bank[3].core.local["1.1.1"]?.refusals == [2])
    bank.heal(1, 3)
    bank.pass(seconds: 10)
    #expect(bank[3].carriedOut == ["commit 1.1.1", "commit 1.1.1"])
  }

  @Test func castVotesAreKeptAsLongAsNeeded() {
    func mark(_ number: UInt64) -> Mark { Mark(ballot: Ballot(term: 1), number: number) }
    var votes = CastVotes(limit: 3)
    for number in 1...3 as ClosedRange<UInt64> { votes.add("\(number)", mark(number)) }
    #expect(!votes.isWithout("1") && votes.isWithout("4"))
    votes.forget(below: mark(2))
    #expect(votes.isWithout("1") && !votes.isWithout("2"))
    votes.add("4", mark(4))
    // One too many: now it is sure of nothing, until all of those are settled.
    votes.add("5", mark(5))
    #expect(!votes.isWithout("1") && !votes.isWithout("9"))
    votes.forget(below: mark(4))
    #expect(!votes.isWithout("1"))
    votes.forget(below: mark(5))
    #expect(votes.isWithout("1") && !votes.isWithout("5"))
    var unsettled = Unsettled()
    let numbers = (1...3).map { _ in unsettled.begin() }
    unsettled.inherit(["old"])
    unsettled.settle(numbers[1], "b")
    #expect(unsettled.floor(of: Ballot(term: 1)) == Mark())
    unsettled.settle(0, "old")
    #expect(unsettled.floor(of: Ballot(term: 1)) == mark(1))
    unsettled.settle(numbers[0], "a")
    #expect(unsettled.floor(of: Ballot(term: 1)) == mark(3))
  }

  @Test func aMajorityIsEnoughIfSaidSo() throws {
    let bank = Bank()
    bank.crash(3)
    let all = bank.propose(.proposal())
    #expect(bank.decision(all)?.outcome == .abort)
    let some = bank.propose(.proposal(nil, "\"need\":\"majority\","))
    #expect(bank.decision(some)?.outcome == .commit && bank.isCommitted("1.1.2", on: [1, 2]))
    // One no is enough against it.
    bank[2].refusal = { _ in "no" }
    let refused = bank.propose(.proposal(nil, "\"need\":\"majority\","))
    #expect(bank.decision(refused)?.outcome == .abort)
    bank.pass(seconds: 1)
    #expect(bank[1].keys("d/").isEmpty)
  }

  @Test func whoWasLeftOutAndHasVotedLearnsTheOutcome() throws {
    let bank = Bank()
    bank[3].isDiskHeld = true
    let ticket = bank.propose(.proposal(nil, "\"need\":\"majority\","))
    bank.pass(seconds: 3)
    #expect(bank.decision(ticket)?.outcome == .commit && bank.decision(ticket)?.votes[2].vote == .silent)
    #expect(bank[1].keys("d/") == ["d/1.1.1"])
    bank[3].isDiskHeld = false
    bank.settle()
    bank.pass(seconds: 3)
    #expect(bank.isCommitted("1.1.1") && bank[1].keys("d/").isEmpty)
  }

  @Test func theSameIdGetsTheSameAnswer() throws {
    let bank = Bank(majority: true)
    bank.elect(1, term: 1)
    bank[2].refusal = { $0 == "bad" ? "no" : nil }
    let good = bank.propose(.proposal("good")), bad = bank.propose(.proposal("bad"))
    bank[2].refusal = { _ in nil }
    bank.crash(1)
    bank.elect(3, term: 2)
    let goodAgain = bank.propose(.proposal("good"), at: 3), badAgain = bank.propose(.proposal("bad"), at: 3)
    #expect(bank.decision(good)?.outcome == .commit && bank.decision(goodAgain, at: 3)?.outcome == .commit)
    #expect(bank.decision(bad)?.outcome == .abort && bank.decision(badAgain, at: 3)?.outcome == .abort)
    #expect(bank[3].carriedOut.count { $0 == "commit good" } == 1)
  }

  @Test func differentKeysDoNotWaitAndTheSameDoInTurn() {
    let bank = Bank()
    bank[3].isDiskHeld = true
    let tickets = ["a", "b", "a"].map { bank.propose(.proposal(key: $0)) }
    #expect(bank[2].prepared == ["1.1.1", "1.1.2"])
    bank[3].isDiskHeld = false
    bank.settle()
    #expect(tickets.allSatisfy { bank.decision($0)?.outcome == .commit })
    #expect(bank[2].prepared == ["1.1.1", "1.1.2", "1.1.3"] && bank[2].core.locks.count == 0)
  }

  @Test func whatAResourceDoesNotDoIsTriedUntilItDoes() {
    let bank = Bank()
    bank.propose(.proposal())
    bank.loses = { message, _ in
      if case .outcome = message { bank[2].isResourceDown = true }
      return false
    }
    let ticket = bank.propose(.proposal())
    #expect(bank.decision(ticket)?.outcome == .commit && bank[2].core.local["1.1.2"]?.stage == .ending)
    bank.loses = { _, _ in false }
    bank[2].isResourceDown = false
    bank.pass(seconds: 3)
    #expect(bank.isCommitted("1.1.2"))
  }

  @Test func aProposalGoesToWhoeverCoordinates() {
    let bank = Bank()
    let ticket = bank.propose(.proposal(), at: 3)
    #expect(bank.decision(ticket, at: 3)?.outcome == .commit)
    bank.part(1, 3)
    bank.propose(.proposal(), at: 3)
    guard
      case .failed(_, _, true)? = bank[3].answers.values.first(where: { if case .failed = $0 { true } else { false } })
    else { return #expect(Bool(false), "\(bank[3].answers)") }
  }

  // MARK: What a person decides

  private func doubtful() -> Bank {
    let bank = Bank()
    bank.loses = { message, _ in if case .outcome = message { true } else { false } }
    bank.propose(.proposal(nodes: [2, 3]))
    bank.crash(1)
    bank.loses = { _, _ in false }
    return bank
  }

  @Test func aPersonMayDecideAndBeWrong() throws {
    let bank = doubtful()
    #expect(bank.resolve("1.1.1", .abort, at: 2) == nil)
    #expect(bank[2].carriedOut == ["abort 1.1.1"] && bank[2].core.locks.count == 0)
    #expect(bank.resolve("1.1.1", .abort, at: 2)?.contains("not in doubt") == true)
    bank.crash(2)
    try bank.restart(2)
    try bank.restart(1)
    bank.pass(seconds: 5)
    #expect(bank[2].core.history["1.1.1"]?.isDamaged == true && bank[3].outcome("1.1.1") == .commit)
    #expect(bank[2].errors.contains { $0.hasPrefix("heuristic damage: 1.1.1") })
    #expect(bank[2].carriedOut == ["abort 1.1.1"], "it is not done twice")
    bank.crash(2)
    try bank.restart(2)
    #expect(bank[2].core.history.damaged.keys.sorted() == ["1.1.1"] && bank[2].keys("p/").isEmpty)
  }

  @Test func aPersonMayBeRight() throws {
    let bank = doubtful()
    #expect(bank.resolve("1.1.1", .commit, at: 2) == nil)
    try bank.restart(1)
    bank.pass(seconds: 5)
    #expect(bank[2].core.history["1.1.1"]?.isDamaged == false && bank[2].outcome("1.1.1") == .commit)
    #expect(bank[2].core.history["1.1.1"]?.heuristic?.why == "the test says so")
  }

  // MARK: Parts

  @Test func keysGoRound() {
    var locks = KeyLocks()
    func key(_ name: String) -> LockKey { LockKey(resource: "r", key: name) }
    let holds = [
      locks.enter("1", [key("a")]), locks.enter("2", [key("b")]), locks.enter("3", [key("b"), key("a"), key("b")]),
      locks.enter("4", [key("a")]), locks.enter("5", [key("c")]),
    ]
    #expect(holds == [true, true, false, false, true])
    var next = locks.leave("2")
    #expect(next == [] && locks.holder(of: key("b")) == "3")
    next = locks.leave("1")
    #expect(next == ["3"])
    next = locks.leave("3")
    #expect(next == ["4"])
    next = locks.leave("4") + locks.leave("5")
    #expect(next == [] && locks.count == 0)
    // One that waits may give up.
    let later = ["6", "7", "8"].map { locks.enter($0, [key("a")]) }
    next = locks.leave("7")
    #expect(later == [true, false, false] && next == [])
    next = locks.leave("6")
    #expect(next == ["8"])
  }

  @Test func theHistoryHasABound() throws {
    let bank = Bank()
    for _ in 0..<250 { bank.propose(.proposal(nodes: [2, 3])) }
    bank.pass(seconds: 2)
    #expect(bank[2].core.history.count == 100 && bank[2].keys("h/").count == 100)
    #expect(bank[2].core.history.newest(2).map(\.id) == ["1.1.250", "1.1.249"])
    bank.crash(2)
    try bank.restart(2)
    #expect(bank[2].core.history.newest(1).map(\.id) == ["1.1.250"] && bank[2].core.history.count == 100)
  }

  @Test(arguments: [
    ("[]", "not an object"), ("{\"changes\":[]}", "1 to 1000 changes"), ("{\"x\":1}", "no such member"),
    ("{\"id\":\"a b\",\"changes\":[]}", "1 to 64 letters"),
    ("{\"changes\":[{\"resource\":\"r\",\"key\":\"k\"}]}", "`change`"),
    ("{\"need\":\"most\",\"changes\":[]}", "all or majority"),
    ("{\"changes\":[{\"resource\":\"r\",\"key\":\"k\",\"nodes\":[9],\"change\":1}]}", "9 is no node"),
  ])
  func proposalsAreChecked(_ text: String, _ words: String) {
    do {
      _ = try Proposal(text, nodes: [1, 2, 3])
      #expect(Bool(false), "it is taken")
    } catch { #expect(error.message.contains(words) && error.status == .invalidArgument, "\(error)") }
  }

  @Test func messagesAreReadAsTheyWereWritten() throws {
    for messages in CommitMessage.examples {
      #expect(try MessageCodec.decode(MessageCodec.encode(messages)) == messages)
    }
  }

  @Test func anyBytesAreReadOrRefused() throws { try fuzz("transactions", fuzzTransactions) }
}

extension CommitMessage {
  static var examples: [[CommitMessage]] {
    let ballot = Ballot(term: 7, run: 3 << 20 | 1)
    let votes: [Vote] = [.yes, .readOnly, .no("it is full"), .silent, .absent, .unawaited]
    var decision = Decision(id: "1.7.42", outcome: .commit, reason: "so", began: 1_700_000_000_000)
    decision.votes = votes.enumerated().map { .init(node: $0 + 1, vote: $1) }
    (decision.prepareTook, decision.decideTook) = (800, 400)
    let transaction = Transaction(
      id: "1.7.42", ballot: ballot, number: 12, floor: Mark(ballot: ballot, number: 9), began: 5,
      members: [.init(node: 1, run: 2), .init(node: 2, run: 9)], needed: 2,
      shares: [Share(resource: "ledger", keys: ["a", "ü"], changes: "[{\"key\":\"a\",\"change\":1}]")])
    return [
      [.hello(run: 3, deciders: .max, wantsAnswer: true), .promise(ballot)],
      [.promised(ballot, baseline: Ballot(), records: [decision]), .base(ballot, records: []), .based(ballot)],
      [.record(ballot, [decision]), .recorded(ballot, ids: ["a", "b"]), .forget(ballot, ids: ["a"])],
      [.refused(ballot), .ready(ballot), .prepare(transaction)], votes.map { .vote(ballot, id: "x", $0) },
      [.outcome([decision]), .done(ids: ["1.7.42"]), .inquire(id: "x", ballot), .ask(id: "x", ballot, run: 4)],
      [.refuses(id: "x"), .propose(number: 1, patience: 5000, proposal: "{}")],
      [
        .proposed(number: 1, .decided(decision, applyTook: 12)),
        .proposed(number: 2, .failed(status: 14, message: "no", mayTryAgain: true)), .lookUp(number: 3, id: "y"),
        .found(number: 3, Finding(state: .decided, decision: decision, isDamaged: true)),
        .found(number: 4, Finding()),
      ],
    ]
  }
}
