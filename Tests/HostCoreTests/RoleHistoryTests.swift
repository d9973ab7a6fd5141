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

  @Test func whatIsWrittenOfAGenerationLaterReplacesWhatWasWrittenBefore() {
    var history = RoleHistory()
    history.put(generation(1, "a", .trying))
    history.put(generation(1, "a", .running))
    history.put(generation(2, "b", .running))
    #expect(history.generations.map(\.outcome) == [.running, .running])
  }
}
