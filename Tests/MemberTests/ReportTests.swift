import MemberCore
import NodeTesting
import Testing

/// What electors on this node say of leaders.
@Suite struct ReportTests {
  private func elect(_ club: Club, _ leader: JSON, term: Int) {
    club.host.publish("leader.changed", ["leader": leader, "term": JSON(term), "node": 1] as JSON, from: "elector")
  }

  @Test func whoLeadsSaysSoAtOnce() throws {
    let club = try Club()
    elect(club, 1, term: 3)
    club.pass(0.01)
    #expect(club.registry.leadership == Leadership(leader: 1, term: 3))
    #expect(try (club.host.call("leader") as JSON)["leader"] == 1)
  }

  @Test func othersSaySoOnlyIfNobodyHas() throws {
    let club = try Club()
    club.registry.put(club.node(2))
    elect(club, 2, term: 3)
    club.pass(0.9)
    #expect(club.first.count(GatewayMethod.updateLeader) == 0)
    club.registry.lead(2, term: 3)
    club.pass(5)
    #expect(club.first.count(GatewayMethod.updateLeader) == 0, "it is known")
    elect(club, 2, term: 4)
    club.pass(2.1)
    #expect(club.registry.leadership == Leadership(leader: 2, term: 4))
  }

  @Test func onlyTheLatestIsToldAndNoneTwice() throws {
    let club = try Club()
    club.first.kill()
    elect(club, 1, term: 3)
    elect(club, 1, term: 5)
    elect(club, 1, term: 4)
    elect(club, nil, term: 6)
    club.pass(10)
    club.first.isUp = true
    club.pass(40)
    #expect(club.registry.leadership == Leadership(leader: 1, term: 5))
    #expect(club.first.count(GatewayMethod.updateLeader) == 1)
  }

  @Test func anOlderTermIsLetGo() throws {
    let club = try Club()
    club.first.endWatches()
    club.registry.lead(7, term: 9)
    elect(club, 1, term: 8)
    club.pass(0.01)
    #expect(club.registry.leadership == Leadership(leader: 7, term: 9))
    #expect(club.logged(.info, "knows of a later leader than node 1: term 8 is over") == 1)
    club.pass(100)
    #expect(club.first.count(GatewayMethod.updateLeader) == 1)
  }

  /// It knows no terms, and would believe the last who speaks.
  @Test func onlyTheLeaderSpeaksToAnOldGateway() throws {
    let club = try Club(starts: false)
    club.first.isOld = true
    try club.start()
    elect(club, 2, term: 3)
    club.pass(10)
    #expect(club.first.count(GatewayMethod.updateLeader) == 0)
    elect(club, 1, term: 4)
    club.pass(0.01)
    #expect(club.registry.leadership.leader == 1)
  }

  @Test func aReportOutlivesASwap() throws {
    let club = try Club()
    club.first.isSilent = true
    elect(club, 1, term: 3)
    try club.swap()
    club.first.isSilent = false
    club.pass(31)
    #expect(club.registry.leadership == Leadership(leader: 1, term: 3))
  }

  @Test(arguments: ["[]", "{}", "{\"leader\":1}", "{\"leader\":\"a\",\"term\":1,\"node\":1}", "\u{1}"])
  func nonsenseIsLogged(_ text: String) throws {
    let club = try Club()
    club.host.publish("leader.changed", text)
    club.pass(5)
    #expect(club.logged(.error, "leader.changed") == 1)
    #expect(club.first.count(GatewayMethod.updateLeader) == 0)
  }
}
