import MemberCore
import NodeTesting
import Testing

/// The decisions that need no world.
@Suite struct PureTests {
  @Test func pausesDoubleUpToTheLongest() {
    var least = Backoff(first: .seconds(1), longest: .seconds(30))
    var most = least
    #expect((0..<7).map { _ in least.next(0) } == [0.5, 1, 2, 4, 8, 15, 15].map { .milliseconds(Int64($0 * 1000)) })
    #expect((0..<7).map { _ in most.next(1) } == [1, 2, 4, 8, 16, 30, 30].map { .seconds($0) })
    for _ in 0..<100 { _ = least.next(0.5) }
    #expect(least.next(1) == .seconds(30))
    least.reset()
    #expect(least.next(1) == .seconds(1))
  }

  @Test func eachGatewayIsTriedOnceARound() {
    var list = GatewayList(["a:1", "https://b:2", "a:1", "c:3"])
    #expect(list.targets == ["http://a:1", "https://b:2", "http://c:3"])
    #expect(list.fail() && list.current == "https://b:2")
    #expect(list.fail() && list.current == "http://c:3")
    #expect(!list.fail() && list.current == "http://a:1")
    #expect(list.fail() && list.current == "https://b:2")
    list.works()
    #expect(list.fail() && list.fail() && !list.fail())
  }

  @Test func whatGatewaysTellOfOthersIsTakenUp() {
    var list = GatewayList(["https://a:1"])
    list.learn(["a:1", "b:2", "b:2", "0.0.0.0:3", ":4", "c", "d:0", "e:70000", "[::1]:5"])
    #expect(list.targets == ["https://a:1", "https://b:2", "https://[::1]:5"])
    _ = list.fail()
    list.works()
    // The one in use stays, whatever the others say.
    list.learn(["c:3"])
    #expect(list.current == "https://b:2" && list.learned == ["https://c:3", "https://b:2"])
    list.learn((1...100).map { "h\($0):1" })
    #expect(list.learned.count <= GatewayList.learnedLimit + 1)
    list.prefer("https://h3:1")
    #expect(list.current == "https://h3:1")
    list.prefer("https://unknown:1")
    #expect(list.current == "https://h3:1")
  }

  private func event(_ kind: WatchEvent.Kind, _ revision: UInt64, _ id: Int32? = nil, of registry: UInt64 = 0)
    -> WatchEvent
  {
    var event = WatchEvent()
    (event.kind, event.revision, event.registry) = (kind, revision, registry)
    if let id {
      var node = NodeRecord()
      node.id = id
      event.node = node
    }
    return event
  }

  @Test func aNewListIsThereOnlyWhenItIsWhole() {
    var list = NodeList()
    _ = list.take(event(.reset, 3))
    _ = list.take(event(.node, 3, 1))
    _ = list.take(event(.node, 3, 2))
    #expect(list.nodes.isEmpty && list.revision == 0)
    guard case .synced(let first) = list.take(event(.synced, 3)) else { return #expect(Bool(false)) }
    #expect(first.count == 2 && list.revision == 3)
    _ = list.take(event(.reset, 9))
    _ = list.take(event(.node, 9, 2))
    // The stream breaks: what was collected is of no use, and the old list stays, to be gone on with from 3.
    list.watchEnded()
    #expect(list.nodes.count == 2 && list.revision == 3)
    guard case .changes(let later) = list.take(event(.left, 4, 1)) else { return #expect(Bool(false)) }
    #expect(later.count == 1 && list.inOrder.map(\.id) == [2])
  }

  @Test func nothingIsTakenTwice() {
    var list = NodeList()
    _ = list.take(event(.reset, 5, of: 1))
    _ = list.take(event(.synced, 5, of: 1))
    #expect(list.take(event(.joined, 5, 1)) == .repeated && list.nodes.isEmpty)
    #expect(list.take(event(.joined, 6, 1)) != .repeated && list.revision == 6)
    #expect(list.take(event(.left, 6, 1)) == .repeated && list.nodes.count == 1)
    #expect(list.take(event(.synced, 4, of: 1)) == .synced([]) && list.revision == 6)
    #expect(list.take(event(.synced, 9, of: 2)) == .foreign && list.revision == 0)
    var unknown = event(.joined, 7, 3)
    unknown.kind = nil
    #expect(list.take(unknown) == .changes([]))
  }

  @Test func aSnapshotIsReadAsItWasWritten() throws {
    var snapshot = Snapshot()
    (snapshot.instance, snapshot.gateway, snapshot.learned) = ("i", "http://a:1", ["b:2"])
    (snapshot.isJoined, snapshot.bootstrap, snapshot.intervalMilliseconds) = (true, false, 30_000)
    (snapshot.revision, snapshot.registry, snapshot.leadership) = (9, 8, Leadership(leader: 0, term: 7))
    snapshot.unwritten = [1, 300]
    var node = NodeRecord()
    (node.id, node.address, node.labels) = (4, "::1", ["a": "b"])
    snapshot.nodes = [node]
    let again = try Snapshot(snapshot.bytes)
    #expect(again.bytes == snapshot.bytes && again.leadership.leader == 0 && again.bootstrap == false)
    #expect(again.nodes == [node] && again.nodes[0].place == "[::1]:0" && again.unwritten == [1, 300])
    #expect(try Snapshot([]).leadership.leader == nil && Snapshot([]).bootstrap == nil)
    for cut in 1..<snapshot.bytes.count { _ = try? Snapshot(Array(snapshot.bytes.prefix(cut))) }
    #expect(throws: RoleError.self) { try Snapshot([0x40, 0xFF, 0xFF, 0xFF, 0x7F]) }
  }
}

@Suite struct OwnPlaceTests {
  private static func own(_ address: String) -> Peers.Node {
    var node = Peers.Node(id: 3, name: "a", address: address, isSelf: true, isUp: true, timeSince1970: .zero)
    node.ports = ["data": 50_055]
    node.named = [2: "10.0.0.2:60001", 1: "[fe80::1]:8090"]
    return node
  }

  private func place(_ json: JSON, _ address: String = "10.0.0.7", others: [Peers.Node] = []) throws -> OwnPlace {
    try OwnPlace(MemberConfig(setting: json, at: ""), nodeID: 3, nodes: others + [Self.own(address)])
  }

  @Test func whatTheNodeKnowsNeedNotBeWritten() throws {
    let found = try place(["gateways": [":8090", "gate:1"]])
    #expect(found.id == 3 && found.address == "10.0.0.7" && found.port == 50_055)
    #expect(found.gateways == ["[fe80::1]:8090", "10.0.0.2:8090", "gate:1"])
    #expect(try place(["gateways": ["g:1"]], "[::1]:60001").address == "::1")
    #expect(try place(["gateways": ["g:1"]], "::1").address == "::1")
    let linked = Peers.Node(id: 9, name: "", address: "n9:60001", isSelf: false, isUp: false, timeSince1970: .zero)
    #expect(try place(["gateways": [":5"]], others: [linked]).gateways.last == "n9:5")
    let written = try place(["gateways": ["g:1"], "id": 8, "address": "here", "port": 7])
    #expect(written == OwnPlace(id: 8, address: "here", port: 7, gateways: ["g:1"]))
  }

  @Test func idsAreMadeOfPlaces() throws {
    func id(_ port: Int, _ address: String = "10.0.0.7") throws -> Int32 {
      try place(["gateways": ["g:1"], "id": "auto", "port": JSON(port)], address).id
    }
    let ids = try (1...50).flatMap { host in try (0..<20).map { try id(50_053 + 2 * $0, "192.168.1.\(host)") } }
    #expect(Set(ids).count == 1_000 && ids.allSatisfy { $0 > 0 })
    #expect(try id(5) == id(5))
  }

  @Test func whatIsMissingIsSaid() throws {
    let alone = Peers.Node(id: 3, name: "a", address: "", isSelf: true, isUp: true, timeSince1970: .zero)
    func words(_ json: JSON) -> String {
      do {
        _ = try OwnPlace(MemberConfig(setting: json, at: ""), nodeID: 3, nodes: [alone])
        return "none"
      } catch { return "\(error)" }
    }
    #expect(words(["gateways": ["g:1"]]).hasPrefix("/address: "))
    #expect(words(["gateways": ["g:1"], "address": "a"]).hasPrefix("/port: "))
    #expect(words(["gateways": [":1"], "address": "a", "port": 1]).hasPrefix("/gateways: "))
    #expect(words(["gateways": ["g:1"], "id": -1]).hasPrefix("/id: "))
    #expect(words(["gateways": [":0"]]).hasPrefix("/gateways/0: "))
  }
}
