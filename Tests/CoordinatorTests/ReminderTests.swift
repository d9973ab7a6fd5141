import Testing

@testable import CoordinatorCore

/// Resources that are started anew while they are prepared, and proposers whose coordinator goes.
@Suite struct ReminderTests {
  /// Node 3 has voted yes, and hears no outcome.
  private func doubtful() -> Bank {
    let bank = Bank()
    bank.loses = { message, node in if case .outcome = message { node == 3 } else { false } }
    bank.propose(.proposal())
    return bank
  }

  @Test func aResourceIsAskedAgainAsSoonAsItIsBack() {
    let bank = doubtful()
    #expect(bank[3].core.local["1.1.1"]?.isInDoubt == true && bank[3].asked == ["prepare 1.1.1"])
    bank.restartResource(at: 3)
    #expect(bank[3].core.local["1.1.1"]?.isInDoubt == true && bank[3].asked == ["prepare 1.1.1", "prepare 1.1.1"])
    bank.loses = { _, _ in false }
    bank.pass(seconds: 3)
    // Its coordinator tells it once a second.
    #expect(bank[3].asked == ["prepare 1.1.1", "prepare 1.1.1", "commit 1.1.1"] && bank.isCommitted("1.1.1"))
    // Of what is over it need not be reminded.
    bank.restartResource(at: 3)
    #expect(bank[3].asked.count == 3)
  }

  @Test func theOutcomeWaitsUntilItIsPreparedAgain() {
    let bank = doubtful()
    bank[3].isPrepareHeld = true
    bank.restartResource(at: 3)
    bank.loses = { _, _ in false }
    bank.pass(seconds: 3)
    #expect(bank[3].core.local["1.1.1"]?.stage == .ending && bank[3].asked.last == "prepare 1.1.1")
    // And it is started once more before it answers.
    bank.restartResource(at: 3)
    bank[3].isPrepareHeld = false
    bank.answerHeld(at: 3)
    #expect(bank[3].asked.suffix(2) == ["prepare 1.1.1", "commit 1.1.1"] && bank.isCommitted("1.1.1"))
    #expect(bank[3].asked.count { $0.hasPrefix("prepare") } == 3)
  }

  /// Nobody says that it was started anew; that it did not answer is enough.
  @Test func whoDidNotAnswerToTheOutcomeIsAskedAgain() {
    let bank = doubtful()
    bank[3].isResourceDown = true
    bank.loses = { _, _ in false }
    bank.pass(seconds: 3)
    #expect(bank[3].core.local["1.1.1"]?.stage == .ending && bank[3].carriedOut.isEmpty)
    // Once it is there it is asked first.
    let tries = bank[3].asked.count
    #expect(bank[3].asked.prefix(3) == ["prepare 1.1.1", "commit 1.1.1", "prepare 1.1.1"])
    #expect(!bank[3].asked.dropFirst(2).contains("commit 1.1.1"), "it is told the outcome and is not prepared")
    bank[3].isResourceDown = false
    bank.pass(seconds: 6)
    #expect(bank[3].asked.dropFirst(tries) == ["prepare 1.1.1", "commit 1.1.1"] && bank.isCommitted("1.1.1"))
  }

  @Test func whoDoesNotPrepareAgainIsAskedOn() {
    let bank = doubtful()
    bank[3].isResourceDown = true
    bank.restartResource(at: 3)
    bank.pass(seconds: 2)
    #expect(bank[3].errors.count == 1 && bank[3].errors[0].contains("prepared 1.1.1, and now does not"))
    bank[3].isResourceDown = false
    bank.pass(seconds: 6)
    let asked = bank[3].asked.count
    #expect(bank[3].core.local["1.1.1"]?.forgotten.isEmpty == true && asked > 3)
    bank.pass(seconds: 6)
    #expect(bank[3].asked.count == asked)
  }

  /// What a resource says against what it has agreed to is not heard: it is carried out all the same.
  @Test func aNoAfterAYesChangesNothing() {
    let bank = doubtful()
    bank[3].refusal = { _ in "I never did" }
    bank.restartResource(at: 3)
    bank[3].refusal = { _ in nil }
    bank.loses = { _, _ in false }
    bank.pass(seconds: 3)
    #expect(bank.isCommitted("1.1.1") && bank[3].errors.count == 1)
  }

  @Test func aResourceThatGoesWhileAnotherIsAskedIsAskedAgain() {
    let bank = Bank()
    bank[2].isPrepareHeld = true
    let change = "\"key\":\"k\",\"change\":1"
    bank.propose("{\"changes\":[{\"resource\":\"r\",\(change)},{\"resource\":\"q\",\(change)}]}")
    bank[2].isPrepareHeld = false
    // The first has answered and is started anew before the second has.
    bank.answerHeld(at: 2, onlyFirst: true)
    bank.restartResource(at: 2)
    bank.answerHeld(at: 2)
    #expect(bank[2].asked == ["prepare 1.1.1", "prepare 1.1.1", "prepare 1.1.1", "commit 1.1.1", "commit 1.1.1"])
    #expect(bank.isCommitted("1.1.1"))
  }

  // MARK: Links and coordinators

  /// An abort is told once, and here it was lost with the link.
  @Test func whoIsLinkedAgainAsksAtOnce() {
    let bank = Bank()
    bank.loses = { message, node in if case .outcome = message { node == 3 } else { false } }
    bank[2].isPrepareHeld = true
    bank.propose(.proposal())
    bank.answerHeld(at: 2, refusal: "no")
    #expect(bank[3].core.local["1.1.1"]?.isInDoubt == true)
    bank.part(1, 3)
    bank.loses = { _, _ in false }
    bank.heal(1, 3)
    #expect(bank[3].outcome("1.1.1") == .abort && bank[3].core.local.isEmpty)
  }

  @Test func aProposalWhoseCoordinatorIsOfThePastMayGoToTheNext() throws {
    let bank = Bank(majority: true)
    bank.elect(1, term: 1)
    bank.loses = { message, node in if case .propose = message { node == 1 } else { false } }
    let named = bank.propose(.proposal("named"), at: 3), other = bank.propose(.proposal(), at: 3)
    #expect(bank[3].answers.isEmpty)
    bank.elect(2, term: 2)
    func mayTryAgain(_ ticket: UInt64) -> Bool? {
      if case .failed(_, _, let mayTryAgain)? = bank[3].answers[ticket] { mayTryAgain } else { nil }
    }
    #expect(mayTryAgain(named) == true && mayTryAgain(other) == false)
    let again = bank.propose(.proposal("named"), at: 3)
    #expect(bank.decision(again, at: 3)?.outcome == .commit)
  }
}
