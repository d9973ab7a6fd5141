import Testing

@testable import CoordinatorCore

/// What the papers say of commitment, and of what is known to be lost without.
@Suite struct PaperTests {
  /// Gray, "Notes on Data Base Operating Systems" (1978), 5.8.3.3: all agree or nobody does it.
  @Test func allCommitOrNone() {
    let bank = Bank()
    let first = bank.propose(.proposal())
    #expect(bank.decision(first)?.outcome == .commit && bank.isCommitted("1.1.1"))
    bank[3].refusal = { _ in "too little money" }
    let second = bank.propose(.proposal())
    #expect(bank.decision(second)?.outcome == .abort && bank.decision(second)?.reason == "node 3: too little money")
    for id in 1...3 { #expect(!bank[id].carriedOut.contains("commit 1.1.2") && bank[id].core.local.isEmpty) }
  }

  /// The same: the coordinator's commit record is on its disk before anybody is told.
  @Test func aDecisionIsDurableBeforeItIsTold() throws {
    let bank = Bank()
    bank.loses = { message, node in if case .vote = message, node == 1 { bank[1].isDiskHeld } else { false } }
    let ticket = bank.propose(.proposal(nodes: [2, 3]), settles: false)
    bank.settle()
    #expect(bank.decision(ticket)?.outcome == .commit)
    bank[1].isDiskHeld = true
    let held = bank.propose(.proposal(key: "other", nodes: [2, 3]))
    bank.loses = { _, _ in false }
    #expect(bank.decision(held) == nil && bank[2].core.local.count == 1)
    bank.crash(1)
    try bank.restart(1)
    bank.pass(seconds: 5)
    #expect(bank[2].outcome("1.1.2") == .abort && bank[3].outcome("1.1.2") == .abort)
  }

  /// The same: a participant's record is on its disk before it votes.
  @Test func aVoteIsDurableBeforeItIsGiven() throws {
    let bank = Bank()
    bank[2].isDiskHeld = true
    let ticket = bank.propose(.proposal())
    #expect(bank.decision(ticket) == nil && bank[2].core.local["1.1.1"]?.stage == .writing)
    bank.crash(2)
    bank.pass(seconds: 3)
    #expect(bank.decision(ticket)?.outcome == .abort)
    try bank.restart(2)
    #expect(bank[2].core.local.isEmpty)
  }

  /// Mohan, Lindsay and Obermarck, "Transaction Management in the R* Distributed Database Management System" (1986),
  /// section 3: of an abort the coordinator writes nothing that anybody waits for, and without a record it is an abort.
  @Test func anAbortIsPresumed() throws {
    let bank = Bank()
    bank[2].refusal = { _ in "no" }
    bank[1].isDiskHeld = true
    let ticket = bank.propose(.proposal(nodes: [2, 3]))
    #expect(bank.decision(ticket)?.outcome == .abort)
    #expect(bank[1].keys("d/").isEmpty)
    bank[1].isDiskHeld = false
    bank.settle()
    // Its coordinator forgets it in a crash.
    bank[2].refusal = { _ in nil }
    bank.loses = { message, node in if case .vote = message, node == 1 { true } else { false } }
    bank.propose(.proposal(nodes: [2, 3]))
    #expect(bank[2].core.local["1.1.2"]?.isInDoubt == true)
    bank.loses = { _, _ in false }
    bank.crash(1)
    try bank.restart(1)
    #expect(bank[2].outcome("1.1.2") == .abort && bank[3].outcome("1.1.2") == .abort)
  }

  /// The same, section 3: a commit record is kept until all who voted yes have acknowledged it.
  @Test func aCommitIsForgottenWhenAllKnow() throws {
    let bank = Bank()
    bank.loses = { message, node in if case .outcome = message, node == 3 { true } else { false } }
    bank.propose(.proposal())
    #expect(bank[1].keys("d/") == ["d/1.1.1"] && bank[3].core.local["1.1.1"]?.isInDoubt == true)
    bank.loses = { _, _ in false }
    bank.crash(1)
    try bank.restart(1)
    bank.pass(seconds: 2)
    #expect(bank.isCommitted("1.1.1") && bank[1].keys("d/").isEmpty)
  }

  /// The same, section 3.1: who only reads votes so, and hears no more of it.
  @Test func readersDropOut() {
    let bank = Bank()
    bank[3].isReader = true
    let ticket = bank.propose(.proposal())
    #expect(bank.decision(ticket)?.votes[2].vote == .readOnly && bank.isCommitted("1.1.1", on: [1, 2]))
    #expect(bank[3].carriedOut.isEmpty && bank[3].keys("p/").isEmpty)
    for id in 1...3 { bank[id].isReader = true }
    let writes = bank[1].keys("d/")
    let second = bank.propose(.proposal())
    #expect(bank.decision(second)?.outcome == .commit && bank[1].keys("d/") == writes)
  }

  /// The same, section 3.2: one participant decides itself, in one phase.
  @Test func oneParticipantDecidesAlone() throws {
    let bank = Bank()
    bank[1].isDiskHeld = true
    let ticket = bank.propose(.proposal(nodes: [2]))
    #expect(bank.decision(ticket)?.outcome == .commit && bank[2].carriedOut == ["commit 1.1.1"])
    // The answer is lost: the participant knows all the same, and carries it out though it dies.
    bank[2].isResourceDown = false
    let second = bank.propose(.proposal("again", nodes: [2]))
    bank.crash(2)
    try bank.restart(2)
    let third = bank.propose(.proposal("again", nodes: [2]))
    #expect(bank.decision(second) == bank.decision(third) && bank[2].carriedOut.count { $0 == "commit again" } == 1)
  }

  /// Skeen, "Nonblocking Commit Protocols" (1981), section 4: when the coordinator is gone and all others have voted,
  /// they cannot know, and their keys stay locked.
  @Test func withoutItsCoordinatorTheClassicProtocolBlocks() throws {
    let bank = Bank()
    bank.loses = { message, node in if case .vote = message, node == 1 { true } else { false } }
    bank.propose(.proposal(nodes: [2, 3]))
    bank.crash(1)
    bank.pass(seconds: 60)
    for id in 2...3 { #expect(bank[id].core.local["1.1.1"]?.isInDoubt == true) }
    bank.loses = { _, _ in false }
    try bank.restart(1)
    for id in 2...3 { #expect(bank[id].outcome("1.1.1") == .abort && bank[id].core.locks.count == 0) }
  }

  /// Gray and Lamport, "Consensus on Transaction Commit" (2006), section 4: with 2F + 1 who record the outcome, F may
  /// fail and nobody blocks.
  @Test func withAMajorityNobodyBlocks() {
    let bank = Bank(majority: true)
    bank.elect(1, term: 1)
    bank.loses = { message, node in if case .vote = message, node == 1 { true } else { false } }
    bank.propose(.proposal(nodes: [2, 3]))
    bank.crash(1)
    bank.loses = { _, _ in false }
    bank.elect(2, term: 2)
    #expect(bank[2].outcome("1.1.1") == .abort && bank[3].outcome("1.1.1") == .abort)
  }

  /// The same, section 5: Two-Phase Commit is the case of F = 0.
  @Test func oneDeciderIsTheClassicProtocol() {
    #expect(Bank().nodes[1]!.core.quorum == 1 && Bank(majority: true).nodes[1]!.core.quorum == 2)
  }

  /// The same, section 4.2: a decision that a majority may have is kept by whoever leads next.
  @Test func whatAMajorityHasRecordedIsCommitted() throws {
    let bank = Bank(majority: true)
    bank.elect(1, term: 1)
    bank.loses = { message, node in if case .outcome = message, node != 1 { true } else { false } }
    let ticket = bank.propose(.proposal())
    #expect(bank.decision(ticket)?.outcome == .commit && bank[2].core.local["1.1.1"]?.isInDoubt == true)
    bank.crash(1)
    bank.loses = { _, _ in false }
    bank.elect(3, term: 2)
    #expect(bank.isCommitted("1.1.1", on: [2, 3]))
    try bank.restart(1)
    bank.pass(seconds: 3)
    #expect(bank.isCommitted("1.1.1"))
    for id in 1...3 { #expect(bank[id].keys("d/").isEmpty) }
  }

  /// What only a minority has is void once a later coordinator has said what is recorded, whoever finds it afterwards.
  @Test func aBaselineEndsWhatAMinorityHas() throws {
    let bank = Bank(majority: true)
    bank.elect(1, term: 1)
    // Nobody but the coordinator's own disk gets the record.
    bank.loses = { message, node in if case .record = message, node != 1 { true } else { false } }
    let ticket = bank.propose(.proposal())
    #expect(bank.decision(ticket) == nil && bank[1].keys("d/") == ["d/1.1.1"])
    bank.crash(1)
    bank.loses = { _, _ in false }
    bank.elect(2, term: 2)
    #expect(bank[2].outcome("1.1.1") == .abort && bank[3].outcome("1.1.1") == .abort)
    // The one that told of the abort is gone, and the one that has the record votes for the next.
    bank.crash(2)
    try bank.restart(1)
    bank.elect(3, term: 3)
    bank.pass(seconds: 3)
    #expect(bank[1].outcome("1.1.1") == .abort && bank[1].keys("d/").isEmpty)
    #expect(!bank[3].carriedOut.contains("commit 1.1.1"))
  }

  /// The same, section 4.1: a decider that has promised a ballot takes nothing of a lower one.
  @Test func aCoordinatorOfThePastDecidesNothing() {
    let bank = Bank(majority: true)
    bank.elect(1, term: 1)
    bank.propose(.proposal())
    bank.part(1, 2)
    bank.part(1, 3)
    bank.elect(2, term: 2, hear: [3])
    let late = bank.propose(.proposal())
    #expect(bank.decision(late)?.outcome != .commit)
    let new = bank.propose(.proposal("new", nodes: [2, 3]), at: 2)
    #expect(bank.decision(new, at: 2)?.outcome == .commit)
    bank.heal(1, 2)
    bank.heal(1, 3)
    bank.pass(seconds: 3)
    #expect(bank[1].core.phase == .following && bank[1].core.coordinator == 2)
  }
}
