import NodeTesting
import Testing

@testable import CoordinatorCore

/// The role on fake hosts: what happens when a step takes too long, and what a person may do then.
@Suite struct CoordinatorTimeTests {
  private static let all: JSON = ["changes": [Coordinators.change()]]

  private func reason(_ answer: JSON) -> String { answer["reason"]?.string ?? "" }

  // MARK: Each step

  @Test func whileNobodyCoordinatesAProposalWaits() throws {
    let nodes = try Coordinators(elector: true)
    let early = try nodes.propose(Self.all, at: 2), late = try nodes.propose(Self.all, at: 3)
    nodes.pass(.seconds(1))
    #expect(early.result == nil && nodes.asked.isEmpty)
    nodes.network.part([3], from: [1, 2])
    nodes.elect(1, term: 1)
    nodes.pass(.milliseconds(600))
    #expect(try (early.answer() as JSON)["reason"] == "node 3 is not linked")
    nodes.pass(.seconds(1))
    let error = #expect(throws: RoleError.self) { try late.answer(as: JSON.self) }
    #expect(
      error?.status == .unavailable && error?.message.contains("node 1, which is not linked, is to coordinate") == true)
  }

  @Test func aResourceThatDoesNotAnswerIsANo() throws {
    let nodes = try Coordinators()
    nodes.resource(at: 3, takes: .seconds(3_600))
    let answer = try nodes.outcome(Self.all)
    #expect(answer["outcome"] == "ABORT" && reason(answer).contains("node 3"), "\(answer)")
    nodes.pass(.seconds(2))
    #expect(nodes.asked[2] == ["prepare 1.1.1", "abort 1.1.1"] && nodes.core(3).local.isEmpty)
  }

  @Test func aDiskThatIsSlowCostsTheVote() throws {
    let nodes = try Coordinators()
    nodes[3].store.takes = .seconds(1)
    let answer = try nodes.outcome(Self.all)
    #expect(reason(answer) == "node 3 does not answer" && answer["votes"]?["3"] == "silent")
    nodes.pass(.seconds(5))
    // It has voted yes by then, and learns that it was too late.
    #expect(nodes.asked[3] == ["prepare 1.1.1", "abort 1.1.1"] && nodes.keys(3, "p/").isEmpty)
  }

  @Test func theProposalSaysHowLongTheVotesMayTake() throws {
    let nodes = try Coordinators()
    nodes.resource(at: 3, takes: .milliseconds(300))
    let short = try nodes.outcome(["timeout_ms": 100, "changes": [Coordinators.change("a")]])
    #expect(reason(short) == "node 3 does not answer")
    #expect(try nodes.outcome(["timeout_ms": 400, "changes": [Coordinators.change("b")]])["outcome"] == "COMMIT")
  }

  @Test func whoWaitsForKeysTooLongGivesUp() throws {
    let nodes = try Coordinators()
    nodes.resource(at: 3, takes: .milliseconds(400))
    let first = try nodes.propose(Self.all),
      second = try nodes.propose(["timeout_ms": 200, "changes": [Coordinators.change()]])
    let other = try nodes.propose(["changes": [Coordinators.change("other", nodes: [1, 2])]])
    nodes.pass(.milliseconds(300))
    #expect(reason(try second.answer()) == "others had its keys for too long")
    // The keys of others are none of its business.
    #expect(try (other.answer() as JSON)["outcome"] == "COMMIT" && first.result == nil)
    nodes.pass(.seconds(2))
    #expect(try (first.answer() as JSON)["outcome"] == "COMMIT" && !nodes.asked[2]!.contains("prepare 1.1.2"))
  }

  /// Its own disk takes too long for the decision: the proposer hears that nothing is known, and it is decided later.
  @Test func aDecisionThatIsLateIsKnownLater() throws {
    let nodes = try Coordinators([("propose_ms", 500)])
    nodes[1].store.takes = .milliseconds(700)
    let call = try nodes.propose(["id": "late", "changes": [Coordinators.change(nodes: [2, 3])]])
    nodes.pass(.milliseconds(400))
    #expect(try (nodes[1].call("list", "open", 10) as JSON)[0]?["state"] == "recording" && call.result == nil)
    nodes.pass(.milliseconds(500))
    let error = #expect(throws: RoleError.self) { try call.answer(as: JSON.self) }
    #expect(error?.status == .unavailable && error?.message.contains("no outcome is known yet") == true)
    nodes.pass(.seconds(3))
    #expect(try nodes.ask(3, "status", "late")["state"] == "committed")
    #expect(nodes.asked[2] == ["prepare late", "commit late"])
  }

  @Test func appliedIsSaidWhenAllHaveCarriedItOut() throws {
    let nodes = try Coordinators()
    nodes.carriesOut = { $0 != 3 }
    let proposal: JSON = ["wait": "applied", "changes": [Coordinators.change()]]
    let call = try nodes.propose(proposal)
    nodes.pass(.milliseconds(500))
    #expect(call.result == nil && nodes.asked[2] == ["prepare 1.1.1", "commit 1.1.1"])
    nodes.carriesOut = { _ in true }
    nodes.pass(.milliseconds(1_000))
    #expect(try (call.answer() as JSON)["us"]?["apply"]?.int ?? 0 >= 400_000)
    // Who is away is not waited for.
    nodes.carriesOut = { $0 != 3 }
    let other = try nodes.propose(proposal)
    nodes.pass(.milliseconds(500))
    nodes.network.part([3], from: [1, 2])
    nodes.pass(.milliseconds(10))
    #expect(try (other.answer() as JSON)["outcome"] == "COMMIT")
    nodes.carriesOut = { _ in true }
    nodes.network.heal([3], with: [1, 2])
    nodes.pass(.seconds(5))
    #expect(nodes.asked[3]?.contains("commit 1.1.2") == true)
  }

  @Test func aNamedProposalGoesToTheNextCoordinator() throws {
    let nodes = try Coordinators(elector: true)
    nodes.elect(1, term: 1)
    // The coordinator hangs: its disk records nothing.
    nodes[1].store.takes = .seconds(3_600)
    let named = try nodes.propose(["id": "named", "changes": [Coordinators.change(nodes: [2, 3])]], at: 3)
    let other = try nodes.propose(["changes": [Coordinators.change("b", nodes: [2, 3])]], at: 3)
    nodes[2].store.takes = .milliseconds(300)
    nodes.pass(.milliseconds(20))
    nodes.elect(2, term: 2)
    nodes.pass(.seconds(1))
    #expect(try (named.answer() as JSON)["txid"] == "named" && nodes.core(3).coordinator == 2)
    let error = #expect(throws: RoleError.self) { try other.answer(as: JSON.self) }
    #expect(error?.status == .unavailable && error?.message.contains("`status` tells") == true)
  }

  // MARK: A person

  /// Node 3 is in doubt: node 1 has gone before it told the outcome.
  private func doubtful() throws -> Coordinators {
    let nodes = try Coordinators()
    nodes[1].store.takes = .milliseconds(50)
    _ = try nodes.propose(["id": "x", "changes": [Coordinators.change(nodes: [2, 3])]])
    nodes.pass(.milliseconds(20))
    nodes.network.part([1], from: [2, 3])
    nodes.pass(.seconds(1))
    return nodes
  }

  @Test func whatIsInDoubtIsShownWithWhoCouldTell() throws {
    let nodes = try doubtful()
    let rows = try nodes[3].call("list", "in_doubt", 10) as JSON
    #expect(rows[0]?["txid"] == "x" && rows[0]?["state"] == "in doubt" && rows[0]?["waiting_for"] == [1])
    #expect(rows[0]?["keys"] == ["r/k"] && rows.array?.count == 1)
    let state = try nodes[3].call("state") as JSON
    #expect(state["in_doubt_count"] == 1 && state["linked"] == [2, 3] && state["coordinator"] == 1)
    let shown = try nodes.ask(3, "show", "x")
    #expect(
      shown["nodes"] == ["1": "does not answer", "2": "prepared", "3": "prepared"] && shown["state"] == "prepared")
  }

  @Test func aPersonDecidesForOneNodeAndMayBeWrong() throws {
    let nodes = try doubtful()
    for (words, part) in [
      (["x", "perhaps", "so"], "commit or abort"), (["x", "commit", ""], "say why"),
      (["y", "abort", "so"], "not open"),
      (["a b", "abort", "so"], "no transaction's id"),
    ] {
      let call = try nodes[3].begin("resolve", values: words.map { $0.value })
      let error = #expect(throws: RoleError.self) { try call.answer(as: String.self) }
      #expect(error?.message.contains(part) == true, "\(String(describing: error))")
    }
    let said = try nodes[3].call("resolve", "x", "abort", "node 1 burns") as String
    #expect(said == "x is aborted on node 3, whatever the others do")
    nodes.pass(.seconds(1))
    #expect(nodes.asked[3] == ["prepare x", "abort x"] && nodes.asked[2] == ["prepare x"])
    #expect(try (nodes[3].call("list", "open", 10) as JSON)[0]?["state"] == "held")
    #expect(nodes[3].log.contains { $0.level == .error && $0.message.contains("ABORT by a person's decision") })
    nodes.network.heal([1], with: [2, 3])
    nodes.pass(.seconds(3))
    #expect(nodes.asked[2] == ["prepare x", "commit x"])
    #expect(nodes[3].log.contains { $0.message.hasPrefix("heuristic damage: x is COMMIT") })
    let event = try nodes[3].published.first { $0.topic == "coordinator.heuristic" }?.decode(JSON.self)
    #expect(event?["heuristic_damage"] == true && event?["heuristic"]?["why"] == "node 1 burns")
    let shown = try nodes.ask(2, "show", "x")
    #expect(shown["state"] == "committed" && shown["nodes"]?["3"] == "committed, heuristic damage")
    #expect(try (nodes[3].call("state") as JSON)["damaged"] == ["x"])
    #expect(nodes.hosts.allSatisfy { $0.misuse.isEmpty })
  }

  @Test func whoWasStartedAgainIsStillInDoubt() throws {
    let nodes = try doubtful()
    try nodes.restart(3, after: .milliseconds(500), partedFrom: 1)
    nodes.pass(.milliseconds(300))
    #expect(nodes.asked[3] == ["prepare x", "prepare x"])
    #expect(nodes.core(3).local["x"]?.isInDoubt == true)
    #expect(try nodes.ask(3, "status", "x")["state"] == "prepared")
    nodes.network.heal([1], with: [2, 3])
    nodes.pass(.seconds(1))
    #expect(nodes.asked[3]?.last == "commit x" && nodes.keys(3, "p/").isEmpty)
  }
}
