import MemberCore
import NodeTesting
import Testing

/// The list of nodes: by watching, by asking, and without anybody to ask.
@Suite struct FollowingTests {
  @Test func changesComeAsTheyHappen() throws {
    let club = try Club()
    club.registry.put(club.node(2))
    club.registry.put(club.node(3, capabilities: ["raft"]))
    club.registry.lead(3, term: 5)
    club.registry.put(club.node(2, address: "10.0.0.4", instance: "y"))
    club.registry.remove(2, "expired")
    #expect(club.events == ["joined 1", "joined 2", "joined 3", "leader 3", "updated 2", "left 2"])
    let left = try JSON(parsing: try #require(club.host.published.last).text)
    #expect(left["reason"] == "expired" && left["node"]?["address"] == "10.0.0.4" && left["revision"] == 6)
    #expect(try club.ids == [1, 3])
    let leader: JSON = try club.host.call("leader")
    #expect(leader["leader"] == 3 && leader["term"] == 5 && leader["node"]?["port"] == 7003 && leader["stale"] == false)
    #expect(club.host.metric("member_nodes")?.value == 2)
    #expect(club.host.misuse.isEmpty)
  }

  @Test func aWatchGoesOnWhereItBroke() throws {
    let club = try Club()
    club.registry.put(club.node(2))
    club.first.endWatches(RoleError(.unavailable, "cut"))
    club.registry.put(club.node(3))
    club.registry.remove(2)
    #expect(try club.ids == [1, 2])
    club.pass(2)
    #expect(try club.ids == [1, 3] && club.events == ["joined 1", "joined 2", "joined 3", "left 2"])
    // If what came between is no longer known, all of it comes, and only the differences are told.
    club.first.endWatches()
    club.registry.put(club.node(4))
    club.registry.remove(3)
    club.registry.put(club.node(5))
    club.registry.remove(5)
    club.registry.knownFrom = club.registry.revision
    club.pass(2)
    #expect(try club.ids == [1, 4] && club.events.suffix(2) == ["left 3", "joined 4"])
    #expect(try club.status["in_step"] == true)
  }

  @Test func breaksInAnyPlaceLoseNothing() throws {
    let club = try Club()
    for round in 1...60 as ClosedRange<Int32> {
      club.registry.put(club.node(2 + round % 7, instance: "\(round)"))
      if round % 3 == 0 { club.registry.remove(2 + round % 5) }
      if round % 5 == 0 { club.registry.lead(2 + round % 7, term: UInt64(round)) }
      if round % 4 == 0 { club.first.endWatches(round % 8 == 0 ? RoleError(.internal, "odd") : nil) }
      if round % 11 == 0 { club.registry.knownFrom = club.registry.revision }
      club.pass(Double(round % 6))
    }
    club.pass(40)
    let known: JSON = try club.host.call("nodes")
    let there = club.registry.nodes.values.sorted { $0.id < $1.id }
    #expect(known["nodes"]?.description == JSON.array(there.map(\.json)).description)
    #expect(known["revision"] == JSON(club.registry.revision))
    // What was published, put together again, is the same.
    var told: [Int64: String] = [:]
    for event in club.host.published where event.topic != "member.leader" {
      let node = try #require(try JSON(parsing: event.text)["node"])
      told[node["id"]?.int ?? 0] = event.topic == "member.left" ? nil : node["instance"]?.string
    }
    #expect(told == Dictionary(uniqueKeysWithValues: there.map { (Int64($0.id), $0.instance) }))
  }

  @Test func anotherRegistryIsNoticed() throws {
    let club = try Club()
    club.registry.put(club.node(2))
    // Its disk was lost, and others have come since: it has counted past what this node knows.
    club.registry.forget()
    club.registry.id = 78
    for id in 5...9 as ClosedRange<Int32> { club.registry.put(club.node(id)) }
    club.first.endWatches()
    club.pass(40)
    #expect(try club.ids == [1, 5, 6, 7, 8, 9])
  }

  @Test func anOldGatewayIsAsked() throws {
    let club = try Club([("poll_seconds", 4)], starts: false)
    club.first.isOld = true
    club.registry.put(club.node(2))
    try club.start()
    #expect(try club.ids == [1, 2] && club.status["follows_by"] == "asking" && club.status["in_step"] == true)
    club.registry.put(club.node(3))
    club.registry.lead(3, term: 0)
    club.registry.remove(2)
    club.pass(4)
    #expect(try club.ids == [1, 3])
    #expect(club.events == ["joined 1", "joined 2", "left 2", "joined 3", "leader 3"])
    #expect(club.logged(.info, "cannot be watched: it is asked for the nodes every 4 s") == 1)
    #expect(club.first.count(GatewayMethod.watch) == 0)
    // Started again as a newer one: it is watched.
    club.first.kill()
    club.pass(8)
    #expect(try club.status["stale"] == true)
    club.first.isUp = true
    club.first.isOld = false
    club.pass(60)
    #expect(try club.status["follows_by"] == "watching" && club.status["stale"] == false)
    #expect(club.first.watches.count == 1)
  }

  @Test func withoutAGatewayTheListStaysAndIsCalledStale() throws {
    let club = try Club(gateways: 2)
    club.registry.put(club.node(2))
    for gateway in club.gateways { gateway.kill() }
    club.pass(4)
    #expect(try club.ids == [1, 2] && club.list("nodes")["stale"] == false)
    club.pass(16)
    let list = try club.list("nodes")
    #expect(list["stale"] == true && list["count"] == 2)
    #expect((18_000...20_100).contains(list["age_ms"]?.int ?? 0), "\(list)")
    guard case .degraded(let words) = try club.host.health() else { throw RoleError(.internal, "not degraded") }
    #expect(contains(words, "2 nodes are known, as of"))
    club.second.isUp = true
    club.pass(31)
    #expect(try club.list("nodes")["stale"] == false && club.list("nodes")["age_ms"] == 0)
  }

  @Test func aRestartWithoutGatewaysKnowsTheList() throws {
    let club = try Club(gateways: 1)
    club.registry.put(club.node(2, capabilities: ["raft"]))
    club.registry.lead(2, term: 9)
    club.pass(2)
    let revision = try club.status["revision"], instance = try club.status["instance"]
    club.first.kill()
    try club.restart()
    #expect(try club.ids == [1, 2] && club.list("nodes")["stale"] == true)
    #expect(try (club.host.call("leader") as JSON)["term"] == 9)
    #expect(try club.list("nodes")["nodes"]?[1]?["capabilities"] == ["raft"])
    #expect(try club.status["instance"] != instance && club.status["bootstrap"] == true)
    #expect(club.logged(.info, "2 nodes known from before") == 1)
    // It goes on where it was.
    club.registry.put(club.node(3))
    club.first.isUp = true
    club.pass(31)
    #expect(try club.ids == [1, 2, 3] && revision != nil)
    #expect(club.events.filter { $0.hasPrefix("joined") } == ["joined 3"])
  }

  @Test func whatTheStoreMissesAtASwapIsWrittenLater() throws {
    let club = try Club()
    club.pass(3)
    club.registry.put(club.node(2))
    club.registry.put(club.node(3))
    club.registry.remove(2)
    try club.swap()
    club.registry.put(club.node(4))
    club.pass(3)
    club.first.kill()
    try club.restart()
    #expect(try club.ids == [1, 3, 4])
  }

  @Test func aFullDiskIsSaidAndTriedAgain() throws {
    let club = try Club()
    club.host.store.fault = .full
    club.registry.put(club.node(2))
    club.pass(2)
    #expect(club.logged(.warning, "the nodes are not on the disk") >= 1)
    club.host.store.fault = nil
    club.registry.put(club.node(3))
    club.pass(2)
    club.first.kill()
    try club.restart()
    #expect(try club.ids == [1, 2, 3])
    club.host.store.fault = .damaged
    try club.restart()
    #expect(try club.ids.isEmpty)
    #expect(club.logged(.error, "cannot be read") == 1)
  }

  @Test func someoneWaitsForNodes() throws {
    let club = try Club()
    #expect(try (club.host.call("wait_for_nodes", 1, 0.0) as JSON)["count"] == 1)
    let three = try club.host.begin("wait_for_nodes", 3, 30.0)
    let late = try club.host.begin("wait_for_nodes", 4, 10.0)
    let given = try club.host.begin("wait_for_nodes", 9, 60.0)
    club.registry.put(club.node(2))
    club.pass(1)
    #expect(three.result == nil)
    club.registry.put(club.node(3))
    club.pass(0.01)
    #expect(try (three.answer() as JSON)["count"] == 3)
    given.cancel()
    club.pass(10)
    let error = #expect(throws: RoleError.self) { try late.answer() as JSON }
    #expect(error?.status == .deadlineExceeded)
    let words = "after 10.0 s 3 of 4 nodes are there: 1 (10.0.0.1:7001), 2 (10.0.0.9:7002), 3 (10.0.0.9:7003)"
    #expect(error?.message == words)
    #expect(throws: RoleError.self) { try club.host.call("wait_for_nodes", 1, -1.0) as JSON }
    for _ in 1...256 { _ = try club.host.begin("wait_for_nodes", 9, 60.0) }
    let full = #expect(throws: RoleError.self) { try club.host.call("wait_for_nodes", 9, 1.0) as JSON }
    #expect(full?.status == .resourceExhausted)
    #expect(club.host.misuse.isEmpty)
  }

  @Test func nodesAreFoundByWhatTheyAre() throws {
    let club = try Club()
    club.registry.put(club.node(2, capabilities: ["gossip"]))
    func found(_ filter: JSON) throws -> [Int64] {
      (try club.host.call("find", filter) as JSON)["nodes"]?.array?.compactMap { $0["id"]?.int } ?? []
    }
    #expect(try found([:]) == [1, 2])
    #expect(try found(["capabilities": ["gossip"]]) == [1, 2])
    #expect(try found(["capabilities": ["gossip", "raft"]]) == [1])
    #expect(try found(["labels": ["zone": "a"]]) == [1] && found(["labels": ["zone": "b"]]) == [])
    #expect(try found(["status": "silent"]) == [])
    #expect(throws: RoleError.self) { try found(["capability": "raft"]) }
  }

  @Test func moreNodesThanAreKeptAreCounted() throws {
    let club = try Club([("most_nodes", 3)])
    for id in 2...6 as ClosedRange<Int32> { club.registry.put(club.node(id)) }
    #expect(try club.status["nodes"] == 3 && club.status["left_out"] == 3)
  }

  @Test func eventsThatMakeNoSenseDoNotStopIt() throws {
    let club = try Club()
    club.first.tell([0x08, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF])
    #expect(club.logged(.error, "tells what makes no sense") == 1)
    club.pass(5)
    club.registry.put(club.node(2))
    #expect(try club.ids == [1, 2])
  }
}
