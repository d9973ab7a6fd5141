import HostCore
import NodeValues
import Testing

/// What a history forgets, and what it must not.
@Suite struct RoleHistoryTests {
  private func generation(_ number: Int, _ sha256: String, _ outcome: Generation.Outcome) -> Generation {
    var generation = Generation(
      number: number, sha256: sha256, version: "1.0.\(number)", copy: "/copies/\(sha256).so", began: 0, cause: .watch)
    generation.outcome = outcome
    return generation
  }

  @Test func howeverManyBuildsFailTheOneThatRunsIsNotForgotten() {
    var history = RoleHistory()
    history.add(generation(1, "first", .replaced))
    history.add(generation(2, "second", .running))
    for number in 3...(3 * RoleHistory.limit) {
      history.add(generation(number, "bad \(number)", .refused("no")))
      history.quarantine("bad \(number)", because: "no")
    }
    #expect(history.generations.count == RoleHistory.limit)
    #expect(history.current?.number == 2 && history.previous?.number == 1 && history.lastGood?.number == 2)
    #expect(history.nextNumber == 3 * RoleHistory.limit + 1)
    #expect(history.quarantine.count <= RoleHistory.limit + RoleHistory.quarantineLimit)
    #expect(history.quarantine["bad \(3 * RoleHistory.limit)"] == "no")
  }

  @Test func aBuildThatTheNodeMayHaveDiedOfIsNotTriedAgain() throws {
    var history = RoleHistory()
    history.add(generation(1, "good", .running))
    history.add(generation(2, "deadly", .trying))
    #expect(history.lastGood?.sha256 == "good" && history.current?.sha256 == "good")
    // As the next process reads it.
    history = RoleHistory(try JSON(parsing: history.json.description))
    history.endAll()
    #expect(history.generations.map(\.outcome) == [.ended, .refused("the node ended while it took over")])
    #expect(history.quarantine["deadly"] != nil && history.quarantine["good"] == nil)
    #expect(history.lastGood?.number == 1)
  }

  @Test func aBuildOnProbationIsToBlameForTheNodesDeath() throws {
    var history = RoleHistory()
    history.add(generation(1, "good", .replaced))
    var young = generation(2, "young", .running)
    young.isOnProbation = true
    history.add(young)
    #expect(history.current?.sha256 == "young")
    var proven = history
    proven.update(2) { $0.isOnProbation = false }
    // As the next process reads them.
    history = RoleHistory(try JSON(parsing: history.json.description))
    history.endAll()
    #expect(history.generations.map(\.outcome) == [.replaced, .reverted("the node died while it was on probation")])
    #expect(history.quarantine["young"] != nil && history.lastGood?.sha256 == "good")
    #expect(history.generation(2)?.isOnProbation == false)
    proven = RoleHistory(try JSON(parsing: proven.json.description))
    proven.endAll()
    #expect(proven.generations.map(\.outcome) == [.replaced, .ended] && proven.quarantine.isEmpty)
    #expect(proven.lastGood?.sha256 == "young")
  }

  /// Killed twice while it goes back and forth between two builds, a role still has one.
  @Test func aBuildThatHasServedBeforeIsNotToBlame() {
    var history = RoleHistory()
    history.add(generation(1, "proven", .replaced))
    history.add(generation(2, "young", .replaced))
    var again = generation(3, "proven", .running)
    again.isOnProbation = true
    history.add(again)
    history.endAll()
    #expect(history.generation(3)?.outcome == .ended && history.quarantine.isEmpty)
  }

  /// A node that ends in order ends its roles first.
  @Test func anOrderlyEndBlamesNobody() {
    var history = RoleHistory()
    var young = generation(1, "young", .running)
    young.isOnProbation = true
    history.add(young)
    history.end(1, .ended)
    history.endAll()
    #expect(history.generations.map(\.outcome) == [.ended] && history.quarantine.isEmpty)
  }

  @Test func whatIsWrittenOfAGenerationLaterReplacesWhatWasWrittenBefore() {
    var history = RoleHistory()
    history.put(generation(1, "a", .trying))
    history.put(generation(1, "a", .running))
    history.put(generation(2, "b", .running))
    #expect(history.generations.map(\.outcome) == [.running, .running])
  }
}
