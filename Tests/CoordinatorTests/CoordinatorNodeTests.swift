import NodeTesting
import Testing

@testable import CoordinatorCore

/// The role on fake hosts: what reaches resources, disks, proposers and the bus.
@Suite struct CoordinatorNodeTests {
  private static let all: JSON = ["changes": [Coordinators.change()]]

  @Test func aProposalAtAnyNodeIsCarriedOutOnAll() throws {
    let nodes = try Coordinators()
    let answer = try nodes.outcome(Self.all, at: 3)
    #expect(answer["outcome"] == "COMMIT" && answer["votes"] == ["1": "yes", "2": "yes", "3": "yes"])
    #expect(answer["txid"] == "1.1.1" && answer["us"]?["prepare"]?.int ?? 0 > 0 && answer["reason"] == nil)
    nodes.pass(.seconds(1))
    for id in 1...3 { #expect(nodes.asked[id] == ["prepare 1.1.1", "commit 1.1.1"]) }
    let decided = try nodes.hosts.map {
      try $0.published.filter { $0.topic == "coordinator.decided" }.map { try $0.decode(JSON.self) }
    }
    #expect(decided.map(\.count) == [1, 0, 0] && decided[0][0]["outcome"] == "COMMIT")
    #expect(nodes[1].log.contains { $0.message.hasPrefix("2PC: COMMIT 1.1.1 (yes: 1, 2, 3; prepared in ") })
    // All have forgotten what they had to remember until all knew, and know that it is over.
    for id in 1...3 {
      #expect(nodes.keys(id, "p/").isEmpty && nodes.keys(id, "d/").isEmpty && !nodes.keys(id, "h/").isEmpty)
    }
    #expect(nodes.hosts.allSatisfy { $0.misuse.isEmpty })
  }

  @Test func whatIsNoProposalIsRefusedWithItsPlace() throws {
    let nodes = try Coordinators()
    for node in [1, 2] {
      let error = #expect(throws: RoleError.self) { try nodes.outcome(["changes": [], "wait": "long"], at: node) }
      #expect(
        error?.status == .invalidArgument && error?.message.contains("/wait") == true, "\(String(describing: error))")
    }
    #expect(nodes.asked.isEmpty)
  }

  // MARK: One phase, and readers

  @Test func oneParticipantDecidesInOnePhase() throws {
    let nodes = try Coordinators()
    let writes = nodes[1].store.revision
    let answer = try nodes.outcome(["changes": [Coordinators.change(nodes: [2])]], at: 3)
    #expect(answer["outcome"] == "COMMIT" && answer["votes"] == ["2": "yes"])
    nodes.pass(.milliseconds(200))
    #expect(nodes.asked == [2: ["prepare 1.1.1", "commit 1.1.1"]])
    // Nobody waits for a disk but the participant's.
    #expect(nodes[1].store.revision == writes && nodes.keys(2, "p/").isEmpty)
    nodes.vote = { _, _ in throw RoleError(.failedPrecondition, "too little") }
    let refused = try nodes.outcome(["changes": [Coordinators.change(nodes: [2])]])
    #expect(refused["outcome"] == "ABORT" && refused["reason"] == "node 2: r: too little")
    nodes.vote = { _, _ in ["vote": "read_only"] }
    let read = try nodes.outcome(["changes": [Coordinators.change(nodes: [2])]])
    #expect(read["outcome"] == "COMMIT" && read["votes"] == ["2": "read only"])
  }

  /// It may have committed, and it may not: who has no name for it hears that, and who has gets what it came to.
  @Test func ofAnOnlyParticipantThatGoesNobodyElseDecides() throws {
    let nodes = try Coordinators()
    nodes[2].store.takes = .milliseconds(100)
    let named = try nodes.propose(["id": "mine", "changes": [Coordinators.change(nodes: [2])]])
    let other = try nodes.propose(["changes": [Coordinators.change("b", nodes: [2])]])
    nodes.pass(.milliseconds(20))
    nodes.network.part([2], from: [1, 3])
    nodes.pass(.milliseconds(20))
    let error = #expect(throws: RoleError.self) { try other.answer(as: JSON.self) }
    #expect(error?.status == .unavailable && error?.message.contains("which decides 1.1.1 alone") == true)
    nodes.pass(.seconds(1))
    // As long as it is away there is no outcome, and it has carried it out.
    #expect(named.result == nil && nodes.asked[2]?.contains("commit mine") == true)
    nodes.network.heal([2], with: [1, 3])
    nodes.pass(.milliseconds(200))
    #expect(try (named.answer() as JSON)["outcome"] == "COMMIT")
    #expect(nodes.asked[2]?.count { $0.hasSuffix("mine") } == 2)
    // One that was never asked may be aborted.
    nodes.network.part([2], from: [1, 3])
    #expect(try nodes.outcome(["changes": [Coordinators.change(nodes: [2])]])["reason"] == "node 2 is not linked")
  }

  @Test func whoOnlyReadsHearsNoMoreOfIt() throws {
    let nodes = try Coordinators()
    nodes.vote = { node, _ in node == 3 ? ["vote": "read_only"] : ["vote": "yes"] }
    let answer = try nodes.outcome(Self.all)
    #expect(answer["outcome"] == "COMMIT" && answer["votes"]?["3"] == "read only")
    nodes.pass(.seconds(1))
    #expect(nodes.asked[3] == ["prepare 1.1.1"] && nodes.core(3).locks.count == 0)
    #expect(nodes.asked[2] == ["prepare 1.1.1", "commit 1.1.1"])
    // Where all read, no disk has to do anything.
    nodes.vote = { _, _ in ["vote": "read_only"] }
    let before = nodes.hosts.map(\.store.revision)
    #expect(try nodes.outcome(Self.all)["outcome"] == "COMMIT" && nodes.hosts.map(\.store.revision) == before)
    #expect(nodes.hosts.allSatisfy { $0.misuse.isEmpty })
  }

  @Test func aVoteIsYesOrReadOnlyOrNo() throws {
    let nodes = try Coordinators()
    nodes.vote = { node, _ in node == 2 ? ["why": "so", "vote": "yes"] : ["vote": "yes"] }
    #expect(try nodes.outcome(Self.all)["outcome"] == "COMMIT")
    nodes.vote = { node, _ in node == 2 ? ["vote": "perhaps"] : ["vote": "yes"] }
    let answer = try nodes.outcome(Self.all)
    #expect(answer["reason"] == "node 2: r answers no \"yes\" or \"read_only\" as its vote: perhaps")
    let missing = try nodes.outcome(["changes": [["resource": "nobody", "key": "k", "change": 1]]])
    #expect(missing["outcome"] == "ABORT" && missing["reason"]?.string?.contains("there is no nobody.prepare") == true)
    nodes.pass(.seconds(1))
    #expect(nodes.hosts.indices.allSatisfy { nodes.core($0 + 1).local.isEmpty })
  }

  // MARK: Disks

  @Test func aFullOrBrokenDiskEndsTheRole() throws {
    for fault in [FakeStore.Fault.full, .damaged] {
      let nodes = try Coordinators()
      nodes[2].store.fault = fault
      let answer = try nodes.outcome(Self.all)
      #expect(answer["outcome"] == "ABORT" && answer["votes"]?["2"] == "silent")
      #expect(nodes[2].failure?.message.contains("what it promises cannot be written down") == true)
      #expect(!nodes.asked[1]!.contains("commit 1.1.1") && nodes[1].failure == nil)
    }
  }

  /// The build before this one is back after a swap was undone, and has gone on.
  @Test func aBuildThatKnowsLessThanTheStoreEnds() throws {
    let nodes = try Coordinators()
    nodes[3].store.put("self", nodes[3].store["self"]!.value)
    _ = try nodes.outcome(Self.all)
    #expect(nodes[3].failure?.message.contains("another build of this role has written meanwhile") == true)
  }

  @Test func whatCannotBeReadIsNotGuessed() throws {
    let store = FakeStore()
    store.put("promise", [1, 2, 3] as [UInt8])
    let host = try FakeHost(TestCoordinator.self, config: ["node": 1], name: "coordinator")
    host.store = store
    try host.start()
    host.clock.advance(by: .seconds(1))
    #expect(host.failure?.message.contains("promise cannot be read") == true)
    #expect(throws: RoleError.self) { try host.call("resolve", "x", "commit", "why") as String }
  }

  // MARK: Roles that come and go

  @Test func aResourceThatIsStartedAnewIsPreparedAgain() throws {
    let nodes = try Coordinators()
    nodes[1].store.takes = .seconds(1)
    let call = try nodes.propose(Self.all)
    nodes.pass(.milliseconds(100))
    nodes[3].publish("nodehost.started", ["name": "r", "role": "ledger", "provides": []] as JSON, from: "")
    nodes[2].publish("nodehost.started", ["name": "q", "role": "ledger", "provides": ["s"]] as JSON, from: "")
    nodes[2].publish("nodehost.started", ["name": "r", "role": "ledger", "provides": []] as JSON, from: "another role")
    nodes.pass(.milliseconds(100))
    #expect(nodes.asked[3] == ["prepare 1.1.1", "prepare 1.1.1"] && nodes.asked[2] == ["prepare 1.1.1"])
    nodes[3].publish("nodehost.started", ["name": "other", "role": "ledger", "provides": ["r"]] as JSON, from: "")
    nodes.pass(.seconds(5))
    #expect(try (call.answer() as JSON)["outcome"] == "COMMIT")
    #expect(nodes.asked[3]?.suffix(2) == ["prepare 1.1.1", "commit 1.1.1"] && nodes.asked[3]?.count == 4)
  }

  @Test func settingsThatContradictAreRefused() throws {
    for (config, words): (JSON, String) in [
      (["elector": "e", "node": 1], "`elector` names who coordinates"),
      (["members": [2, 3]], "node 1 is none of [2, 3]"),
    ] {
      let error = #expect(throws: RoleError.self) {
        try FakeHost(TestCoordinator.self, config: config, name: "coordinator")
      }
      #expect(error?.message.contains(words) == true, "\(String(describing: error))")
    }
    for (config, words): (JSON, String) in [
      (["node": 7], "node 7 does not take part"), (["members": [1, 9]], "node 9 is not in cluster.peers"),
    ] {
      let host = try FakeHost(TestCoordinator.self, config: config, name: "coordinator")
      let error = #expect(throws: RoleError.self) { try host.start() }
      #expect(error?.message.contains(words) == true, "\(String(describing: error))")
    }
  }
}
