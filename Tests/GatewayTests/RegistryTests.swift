import FuzzSupport
import NodeKit
import Testing

@testable import GatewayCore

/// What the gateways agree on, without gateways.
@Suite final class RegistryTests {
  let registry = Registry(history: 100)
  private var index: UInt64 = 0

  private func apply(_ entry: Entry) -> Outcome {
    index += 1
    return registry.apply(entry, at: index)
  }

  private func facts(_ port: Int32, _ instance: String = "", _ address: String = "10.0.0.1") -> NodeFacts {
    var facts = NodeFacts()
    (facts.address, facts.port, facts.instance) = (address, port, instance)
    return facts
  }

  @discardableResult
  private func join(_ id: Int32, _ facts: NodeFacts, limit: UInt32 = 100, time: Double = 1) -> Outcome {
    apply(.join(Entry.Join(id: id, info: facts.info(id: id), time: time, limit: limit, base: index)))
  }

  @discardableResult
  private func leave(
    _ id: Int32, _ reason: Entry.Leave.Reason = .evicted, instance: String? = nil, revision: UInt64 = 0,
    epoch: UInt64 = 0
  ) -> Outcome {
    apply(
      .leave(
        Entry.Leave(id: id, reason: reason, revision: revision, instance: instance, epoch: epoch, time: 2)))
  }

  @Test func oneNodeBootstraps() {
    #expect(join(1, facts(1, "a")) == Outcome(.registered, revision: 1, isBootstrap: true))
    #expect(join(2, facts(2, "b")) == Outcome(.registered, revision: 2))
    // It hears it again when it asks again, and nobody else does, whoever goes.
    #expect(join(1, facts(1, "a")) == Outcome(.updated, revision: 1, isBootstrap: true))
    leave(1)
    leave(2)
    #expect(join(3, facts(3, "c")).isBootstrap == false)
    #expect(join(1, facts(1, "a")).isBootstrap)
    leave(1)
    // Others may have joined the cluster of its last start.
    #expect(join(1, facts(1, "a2")).isBootstrap == false)
    #expect(apply(.resetBootstrap).kind == .done)
    #expect(join(3, facts(3, "c")).isBootstrap)
    #expect(join(1, facts(1, "a2")).isBootstrap == false)
  }

  @Test func aBootstrapNodeThatNobodyJoinedMayStartAnew() {
    join(1, facts(1, "a"))
    leave(1, .expired)
    #expect(join(1, facts(1, "b")).isBootstrap)
    leave(1, .expired)
    // Another machine with its id is another node.
    #expect(join(1, facts(9, "c")).isBootstrap == false)
    leave(1, .expired)
    #expect(join(1, facts(1, "d")).isBootstrap == false)
  }

  @Test func anIdHasOneHolder() {
    join(0, facts(1, "a"))
    #expect(join(0, facts(2, "b")) == Outcome(.taken, revision: 1))
    // The same instance may move, and what comes from the same address is its next start.
    #expect(join(0, facts(2, "a")).kind == .updated)
    #expect(join(0, facts(2, "b")).kind == .updated)
    // What a dead instance sent comes too late; one that lives asks again.
    #expect(join(0, facts(2, "a")).kind == .overtaken)
    #expect(join(0, facts(2, "a")).kind == .updated)
    for number in 1...9 { #expect(join(0, facts(2, "c\(number)")).kind == .updated) }
    #expect(registry.nodes[0]?.instance == "c9" && registry.nodes[0]?.displaced.count == Node.displacedLimit)
    #expect((6...8).allSatisfy { join(0, facts(2, "c\($0)")).kind == .overtaken })
    #expect(registry.nodes[0]?.instance == "c9")
    // Without an instance the address stands for it.
    join(7, facts(3))
    #expect(join(7, facts(3)) == Outcome(.updated, revision: 14))
    #expect(join(7, facts(4)).kind == .taken)
    // Port 0 is no address that only one can have.
    join(8, facts(0, "x"))
    #expect(join(8, facts(0, "y")).kind == .taken)
  }

  @Test func theTermOfALeaderNeverFalls() {
    join(1, facts(1))
    join(2, facts(2))
    func lead(_ id: Int32, _ term: UInt64) -> Outcome {
      apply(.leader(Entry.NewLeader(id: id, term: term, time: 3)))
    }
    #expect(lead(1, 0).kind == .leaderSet)
    #expect(lead(2, 0).kind == .leaderSet)
    #expect(lead(3, 4).kind == .leaderUnknown)
    #expect(lead(1, 4).revision == 5)
    #expect(lead(1, 4) == Outcome(.leaderSet, revision: 5))
    for (id, term) in [(2, 4), (2, 3), (1, 3), (2, 0)] as [(Int32, UInt64)] {
      #expect(lead(id, term).kind == .leaderRefused)
    }
    leave(1)
    #expect(registry.leaderNode == nil && registry.term == 4)
    #expect(lead(2, 4).kind == .leaderRefused)
    #expect(lead(2, 5).kind == .leaderSet)
  }

  @Test func onlyTheGatewayThatWatchesLetsNodesExpire() {
    join(1, facts(1))
    _ = apply(.watch(epoch: 5))
    #expect(leave(1, .expired, revision: 1, epoch: 4).kind == .notFound)
    #expect(leave(1, .expired, revision: 2, epoch: 5).kind == .notFound)
    #expect(leave(1, .expired, revision: 1, epoch: 5).kind == .removed)
    join(2, facts(2, "a"))
    #expect(leave(2, .left, instance: "b").kind == .otherInstance)
    #expect(leave(2, .left, instance: "a").kind == .removed)
    #expect(leave(2).kind == .notFound)
  }

  @Test func thereAreNoMoreNodesThanThereMayBe() {
    join(1, facts(1), limit: 2)
    join(2, facts(2), limit: 2)
    #expect(join(3, facts(3), limit: 2).kind == .full)
    #expect(join(2, facts(2, "x"), limit: 2).kind == .updated)
    leave(1)
    #expect(join(3, facts(3), limit: 2).kind == .registered)
    // Nor more than fit into a snapshot.
    var large = facts(4)
    large.labels = (0..<16).map { (key: "k\($0)", value: String(repeating: "x", count: 60_000)) }
    var id: Int32 = 10
    while join(id, large).kind == .registered { id += 1 }
    #expect(registry.size <= Registry.sizeLimit && registry.size > Registry.sizeLimit - 2_000_000)
    #expect(registry.snapshot().count < 32 << 20)
  }

  @Test func aSnapshotIsTheWholeRegistry() throws {
    #expect(registry.digest.hasPrefix("0-"))
    var labelled = facts(1, "i")
    (labelled.capabilities, labelled.labels) = (["a", ""], [("z", "1"), ("k", "")])
    join(1, labelled)
    join(-2, facts(2))
    _ = apply(.leader(Entry.NewLeader(id: -2, term: 9, time: 3)))
    _ = apply(.watch(epoch: 8))
    let copy = Registry(history: 5)
    var wasTold = false
    copy.whenReplaced = { wasTold = true }
    try copy.restore(registry.snapshot(), at: 4)
    #expect(wasTold && copy.digest == registry.digest && copy.size == registry.size)
    #expect(copy.leader == registry.leader && copy.bootstrap == registry.bootstrap && copy.epoch == 8)
    #expect(NodeFacts(copy.nodes[1]!.info).labels.map(\.key) == ["k", "z"])
    // A damaged one changes nothing.
    let damaged = Array(registry.snapshot().dropLast(3))
    #expect(throws: RoleError.self) { try copy.restore(damaged, at: 4) }
    #expect(copy.digest == registry.digest)
    #expect(copy.nodes[1]?.info == registry.nodes[1]?.info)
  }

  @Test func entriesAndOutcomesComeBack() throws {
    let entries: [Entry] = [
      .join(Entry.Join(id: -5, info: facts(3, "x").info(id: -5), time: 1.5, limit: 9)),
      .leave(Entry.Leave(id: 4, reason: .expired, revision: 3, instance: nil, epoch: 2, time: 1)),
      .leave(Entry.Leave(id: 4, reason: .left, instance: "", time: 1)),
      .leader(Entry.NewLeader(id: 0, term: 3, time: 2)), .resetBootstrap, .watch(epoch: 6),
    ]
    for entry in entries { #expect("\(try Entry(entry.bytes))" == "\(entry)") }
    #expect(throws: RoleError.self) { try Entry([0xF8, 0x07, 1]) }
  }

  @Test func whatWasLongOnItsWayHasNoEffect() throws {
    join(1, facts(1, "a"))
    let before = index
    leave(1, .left, instance: "a")
    let late = Entry.Join(id: 1, info: facts(1, "a").info(id: 1), time: 1, limit: 9, base: before)
    #expect(apply(.join(late)).kind == .overtaken)
    #expect(join(1, facts(1, "a")).kind == .registered)
    let leave2 = Entry.Leave(id: 2, reason: .left, instance: "b", time: 1), early = index
    #expect(apply(.leave(leave2)).kind == .notFound)
    let late2 = Entry.Join(id: 2, info: facts(2, "b").info(id: 2), time: 1, limit: 9, base: early)
    #expect(apply(.join(late2)).kind == .overtaken)
    // Nor does it take out who has come back since, though nothing of it has changed.
    let asked = index
    #expect(join(1, facts(1, "a")).kind == .updated)
    let leave = Entry.Leave(id: 1, reason: .left, instance: "a", base: asked, time: 1)
    #expect(apply(.leave(leave)).kind == .overtaken)
    // A gateway that was given all of it knows that too.
    let copy = Registry(history: 5)
    try copy.restore(registry.snapshot(), at: index)
    #expect(copy.apply(.leave(leave), at: index + 1).kind == .overtaken)
    #expect(copy.apply(.join(late), at: index + 2) == Outcome(.updated, revision: 3, isBootstrap: true))
  }

  @Test func onlyTheLatestDeparturesAreKept() {
    var departures = Departures()
    for round in 0..<20_000 { departures.add(.init(id: Int32(round % 7_000), index: UInt64(round))) }
    #expect(departures.known.count == Departures.limit && departures.list.count <= 2 * Departures.limit + 1)
    let old = Entry.Join(id: Int32(19_999 % 7_000), info: [], time: 0, limit: 0, base: 19_998)
    let isOvertaken = departures.hasOvertaken(old, "")
    #expect(isOvertaken)
  }

  @Test func theLatestChangesAreKept() {
    var changes = Changes(limit: 4)
    #expect(changes[1] == nil && changes.oldest == nil)
    for revision in UInt64(1)...10 {
      changes.add(Change(.joined, revision: revision, id: Int32(revision), node: nil, time: 0))
    }
    #expect(changes.oldest == 7)
    #expect((0...12).map { changes[$0]?.id } == [nil, nil, nil, nil, nil, nil, nil, 7, 8, 9, 10, nil, nil])
  }
}

/// What clients and other gateways send is read without a trap, whatever it is.
@Suite struct GatewayFuzzTests {
  @Test func requestsAndEntries() throws {
    let limits = RequestLimits(GatewaySettings())
    try fuzz("proto") { bytes in
      _ = try? Registration(bytes, limits)
      _ = try? NodesRequest(bytes, limits)
      _ = try? NodeRequest(bytes)
      _ = try? LeaderRequest(bytes)
      _ = try? WatchRequest(bytes, limits)
      _ = try? Gossip.ids(bytes)
      _ = NodeFacts(bytes)
      let registry = Registry(history: 4)
      if let entry = try? Entry(bytes) { _ = registry.apply(entry, at: 1) }
      try? registry.restore(bytes, at: 1)
    }
  }
}
