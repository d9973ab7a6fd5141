import NodeTesting
import Testing

@testable import CanaryCore

/// Routers on fake hosts: agreeing, serving, and rolling out.
@Suite struct CanaryNodeTests {
  private func get(_ host: FakeHost, _ path: String) throws -> JSON {
    let request = host.request("GET", path)
    #expect(request.status == 200)
    return try request.json()
  }

  private func predict(_ host: FakeHost, _ body: String, _ headers: HTTPHeaders = []) throws -> JSON {
    var headers = headers
    headers.append(HTTPHeader("content-length", "\(body.utf8.count)"))
    return try host.request("POST", "/predict", headers: headers, body: body).json()
  }

  @Test func agreesAndAnswersAsItAlwaysHas() throws {
    let nodes = try Canaries()
    #expect(nodes[1].request("POST", "/predict", headers: ["content-length": "2"], body: "{}").status == 503)
    nodes.elect(1)
    nodes.pass(.seconds(3))
    #expect(nodes.versions == [1, 1, 1] && nodes.digests.count == 1)
    let state = try get(nodes[3], "/routing/state")
    #expect(state["version"] == 1 && state["stable_model_id"] == "v1" && state["canary_model_id"] == .null)
    #expect(state["weights"] == ["v1": 1, "v2": 0] && state["status"] == "COMMITTED" && state["stale"] == false)
    #expect(state["txid"]?.string?.hasPrefix("canary-1-1-") == true)
    let health = try get(nodes[2], "/health/snapshot")
    #expect(health["node_id"] == "node-2" && health["last_committed_version"] == 1 && health["error_rate"] == 0)
    let known = nodes.canary(2).state
    #expect(health["digest"]?.string == SHA256.hexadecimal(Array(known.json.canonical.utf8)))
    let answer = try predict(nodes[1], #" {"input": [1, 2.50, "é"]} "#)
    #expect(answer["model_selected"] == "v1" && answer["input"] == ["input": [1, 2.5, "é"]])
    #expect(answer["routing_state"]?["txid"] == state["txid"])
    #expect(try predict(nodes[1], "no JSON")["input"] == [:])
    #expect(nodes.hosts.allSatisfy { $0.misuse.isEmpty })
  }

  @Test func usersStayWithTheirVersionOnEveryNode() throws {
    let nodes = try Canaries()
    nodes.elect(1)
    nodes.pass(.seconds(3))
    _ = try nodes.ask(2, "set", ["weights": ["v1": 50, "v2": 50], "sticky": ["member": "user"], "by": "Ada"])
    #expect(nodes.versions == [2, 2, 2])
    for user in 0..<50 {
      let body = #"{"n": 1, "user": "\#(user)"}"#
      let chosen = try (1...3).map { try predict(nodes[$0], body)["model_selected"] }
      #expect(Set(chosen).count == 1)
    }
    let why = try nodes[1].call("history", 10, within: .seconds(1)) as JSON
    #expect(why["decisions"]?[0]?["decision"]?["by"] == "Ada")
    #expect(why["decisions"]?.array?.count == 2)
  }

  @Test func aGoodVersionComesToItsEnd() throws {
    let nodes = try Canaries()
    nodes.elect(2)
    nodes.pass(.seconds(3))
    var random = SplitMix(state: 1)
    _ = try nodes.ask(1, "start", Self.start)
    #expect(nodes.canary(3).state.share(of: "v2") == Share(percent: 10))
    try nodes.serve(20, errors: ["v1": 0.002, "v2": 0.002], random: &random)
    let state = nodes.canary(1).state
    #expect(state.stable == "v2" && state.share(of: "v2") == .whole && state.rollout == nil && state.canary == nil)
    #expect(nodes.digests.count == 1)
    let history = try nodes[3].call("history", 10, within: .seconds(1)) as JSON
    let kinds = history["decisions"]?.array?.map { $0["decision"]?["kind"]?.string ?? "" } ?? []
    #expect(kinds == ["finish", "step", "step", "start", "initial"])
    #expect(nodes[2].published.filter { $0.topic == "canary.decided" }.count == 5)
  }

  private static let start: JSON = [
    "version": "v2", "steps": [10, 50, 100], "every_ms": 3_000, "min_samples": 30, "metrics": ["error_rate<2%"],
  ]

  @Test func aBadVersionIsRolledBackAndCannotComeBackAtOnce() throws {
    let nodes = try Canaries()
    nodes.elect(2)
    nodes.pass(.seconds(3))
    var random = SplitMix(state: 2)
    var start = Self.start.object!
    start["cooldown_ms"] = 60_000
    _ = try nodes.ask(3, "start", .object(start))
    try nodes.serve(12, errors: ["v1": 0.002, "v2": 0.5], random: &random)
    let state = nodes.canary(1).state
    #expect(state.share(of: "v1") == .whole && state.decision.kind == .rollback && nodes.digests.count == 1)
    #expect(state.decision.why.contains("error_rate<2%: v2 "))
    #expect(state.decision.numbers[0]?["evidence_limit"]?.double ?? 0 > 5)
    let error = #expect(throws: RoleError.self) { try nodes.ask(1, "start", Self.start) }
    #expect(error?.message.contains("cools down") == true)
  }

  @Test func tooLittleDataHolds() throws {
    let nodes = try Canaries()
    nodes.elect(1)
    nodes.pass(.seconds(3))
    _ = try nodes.ask(1, "start", Self.start)
    nodes.pass(.seconds(60))
    #expect(nodes.versions == [2, 2, 2])
    let status = try nodes[1].call("status") as JSON
    #expect(status["rollout"]?["verdict"]?.string?.contains("too little data") == true)
  }

  @Test func anotherLeaderGoesOn() throws {
    let nodes = try Canaries()
    nodes.elect(1)
    nodes.pass(.seconds(3))
    var random = SplitMix(state: 3)
    _ = try nodes.ask(1, "start", Self.start)
    try nodes.serve(2, errors: [:], random: &random)
    nodes.elect(3)
    try nodes.serve(20, errors: [:], random: &random)
    #expect(nodes.canary(1).state.stable == "v2")
    // Two that both think they lead change nothing twice.
    #expect(nodes.canary(1).state.version == 5)
  }

  @Test func aNodeThatWasAwayTakesWhatTheOthersHave() throws {
    let nodes = try Canaries()
    nodes.elect(1)
    nodes.pass(.seconds(3))
    nodes.reachable = [1, 2]
    nodes.network.part([3], from: [1, 2])
    for share in [10.0, 20, 30] {
      _ = try nodes.ask(1, "set", ["weights": ["v1": .double(100 - share), "v2": .double(share)]])
    }
    #expect(nodes.versions == [4, 4, 1])
    let error = #expect(throws: RoleError.self) { try nodes.ask(3, "set", ["weights": ["v1": 100]]) }
    #expect(error != nil)
    nodes.network.heal([3], with: [1, 2])
    nodes.pass(.seconds(3))
    #expect(nodes.versions == [4, 4, 4] && nodes.digests.count == 1)
    let history = try nodes[3].call("history", 10, within: .seconds(1)) as JSON
    #expect(history["decisions"]?.array?.map { $0["version"]?.int ?? 0 } == [4, 3, 2, 1])
    #expect(nodes[3].store["state"]?.text.contains("\"version\":4") == true)
  }

  @Test func aRestartedNodeServesWhatWasCommitted() throws {
    let nodes = try Canaries()
    nodes.elect(1)
    nodes.pass(.seconds(3))
    _ = try nodes.ask(1, "set", ["weights": ["v1": 70, "v2": 30]])
    nodes.network.part([3], from: [1, 2])
    nodes.reachable = [1, 2]
    _ = try nodes.ask(1, "set", ["weights": ["v1": 60, "v2": 40]])
    try nodes.restart(3)
    // The restart has linked it again, so it learns within a heartbeat; until then it says that it may be behind.
    #expect(try get(nodes[3], "/routing/state")["version"]?.int ?? 0 >= 2)
    nodes.pass(.seconds(3))
    #expect(nodes.versions == [3, 3, 3] && nodes.digests.count == 1)
    #expect(try get(nodes[3], "/routing/state")["stale"] == false)
  }

  @Test func votesNoToWhatIsOldOrWrong() throws {
    let nodes = try Canaries()
    nodes.elect(1)
    nodes.pass(.seconds(3))
    let node = nodes.canary(2)
    func vote(_ state: RoutingState, _ basis: Int64) throws -> JSON {
      try node.prepare("t", [["key": "routing", "change": ["if_version": .int(basis), "state": state.json]]])
    }
    let next = try node.state.setting(["weights": ["v2": 100]], 5)
    #expect(try vote(next, 1) == ["vote": "yes"])
    var late = next
    late.version = 1
    #expect(throws: RoleError.self) { try vote(late, 0) }
    #expect(throws: RoleError.self) { try vote(next, 0) }
    var wrong = next
    wrong.releases[0].share = .whole
    let error = #expect(throws: RoleError.self) { try vote(wrong, 1) }
    #expect(error?.place == "/versions")
    #expect(node.state.version == 1)
  }

  @Test func upstreamsGetAForwardTable() throws {
    let versions: JSON = [
      ["id": "v1", "url": "http://10.0.0.1:80", "weight": 90], ["id": "v2", "url": "http://10.0.0.2:80", "weight": 10],
    ]
    let nodes = try Canaries(
      initial: ["versions": versions, "sticky": ["cookie": "user"]],
      [("routes", ["/predict", "/shop"]), ("forward", ["timeout_ms": 500])])
    nodes.elect(1)
    nodes.pass(.seconds(3))
    let tables = nodes[2].forwardTables
    #expect(tables.map { $0["prefix"]?.string } == ["/predict", "/shop"])
    #expect(tables[0]["upstreams"]?[1]?["weight"] == 100_000 && tables[0]["name_header"] == "X-Version")
    #expect(tables[0]["sticky"] == ["cookie": "user"] && tables[0]["timeout_ms"] == 500)
    nodes[2].reportForwarding(
      "/predict",
      upstreams: [
        [
          "id": "v2", "requests": 12, "answers": ["2xx": 8, "5xx": 1], "failures": 2,
          "latency_us": ["bounds": [1_000, 20_000], "counts": [3, 5, 1]],
        ]
      ])
    let tally = nodes.canary(2).window["v2"]
    #expect(tally?.requests == 10 && tally?.failures == 2)
    #expect(tally?.count(.slower(microseconds: 20_000)).bad == 1)
    _ = try nodes.ask(3, "set", ["weights": ["v1": 50, "v2": 50]])
    #expect(nodes[2].forwardTables[1]["upstreams"]?[0]?["weight"] == 500_000)
  }

  @Test func theMirrorsCopiesAreComparedInTheStatus() throws {
    let versions: JSON = [["id": "v1", "url": "http://10.0.0.1:80", "weight": 100]]
    let nodes = try Canaries(initial: ["versions": versions])
    nodes.elect(1)
    nodes.pass(.seconds(3))
    #expect(try (nodes[1].call("status") as JSON)["mirror"] == nil)
    _ = try nodes.ask(2, "set", ["mirror": ["url": "http://10.0.0.9:80", "percent": 25]])
    func histogram(_ counts: JSON) -> JSON { ["bounds": [1_000, 20_000], "counts": counts] }
    func count(on id: Int) {
      nodes[id].reportForwarding(
        "/predict", upstreams: [],
        mirror: [
          "requests": 9, "answers": ["2xx": 6, "5xx": 2], "failures": 3, "differing": 2, "slower": 4,
          "latency_us": histogram([0, 8, 0]), "original_latency_us": histogram([7, 0, 0]),
        ])
    }
    for id in [2, 3] { count(on: id) }
    nodes.pass(.seconds(2))
    let mirror = try (nodes[1].call("status") as JSON)["mirror"]
    #expect(mirror?["url"] == "http://10.0.0.9:80" && mirror?["percent"] == 25)
    #expect(mirror?["requests"] == 18 && mirror?["failures"] == 6 && mirror?["compared"] == 14)
    #expect(mirror?["differing"] == 4 && mirror?["slower"] == 8)
    // All are in one bucket each, so the median lies in its middle.
    #expect(mirror?["copies"]?["p50_ms"]?.double.map { (15...20).contains($0) } == true)
    #expect(mirror?["originals"]?["p50_ms"]?.double.map { (0.5...1).contains($0) } == true)
    // What was counted of another one says nothing of this.
    _ = try nodes.ask(1, "set", ["mirror": ["url": "http://10.0.0.8:80"]])
    nodes.pass(.seconds(2))
    let other = try (nodes[1].call("status") as JSON)["mirror"]
    #expect(other?["requests"] == 0 && other?["compared"] == 0 && other?["percent"] == 100)
    _ = try nodes.ask(1, "set", ["mirror": .null])
    #expect(try (nodes[1].call("status") as JSON)["mirror"] == nil)
  }

  @Test func metricsFromElsewhereCount() throws {
    let nodes = try Canaries(initial: Canaries.initial, [("measure_ms", 1_000)])
    var value = "0.2"
    nodes[1].whenRequested = {
      $0.answer(200, body: #"{"data": {"resultType": "vector", "result": [{"value": [1, "\#(value)"]}]}}"#)
    }
    nodes.elect(1)
    nodes.pass(.seconds(3))
    let start: JSON = [
      "version": "v2", "steps": [10, 100], "every_ms": 10_000, "min_samples": 0,
      "metrics": ["prometheus(http://10.0.0.5:9090, up == 1)<0.5"],
    ]
    _ = try nodes.ask(1, "start", start)
    nodes.pass(.seconds(12))
    #expect(nodes.canary(1).state.share(of: "v2") == .whole)
    value = "0.9"
    nodes.pass(.seconds(6))
    let decision = nodes.canary(1).state.decision
    #expect(decision.kind == .rollback && decision.why.contains("3 bad measurements in a row"), "\(decision.why)")
  }

  @Test func aBrokenSourceOfDataPausesAndDoesNotFail() throws {
    let nodes = try Canaries(initial: Canaries.initial, [("measure_ms", 1_000)])
    var status = 500
    var asked: [JSON] = []
    nodes[1].whenRequested = { request in
      asked.append((try? JSON(payload: request.body)) ?? .null)
      request.answer(status, body: "")
    }
    nodes.elect(1)
    nodes.pass(.seconds(3))
    let start: JSON = [
      "version": "v2", "steps": [10, 100], "every_ms": 2_000, "min_samples": 0,
      "metrics": ["webhook(http://10.0.0.5/x)"],
    ]
    _ = try nodes.ask(1, "start", start)
    nodes.pass(.seconds(10))
    let paused = nodes.canary(2).state
    #expect(paused.rollout?.phase == .paused && paused.decision.why.contains("cannot be measured: 5 errors in a row"))
    #expect(asked.first?["rollout"]?["canary"] == "v2")
    status = 204
    nodes.pass(.seconds(2))
    _ = try nodes.ask(3, "resume", ["by": "Ada"])
    nodes.pass(.seconds(5))
    #expect(nodes.canary(1).state.stable == "v2")
  }

  @Test func peopleMayDecide() throws {
    let nodes = try Canaries()
    nodes.elect(1)
    nodes.pass(.seconds(3))
    _ = try nodes.ask(1, "start", Self.start)
    _ = try nodes.ask(2, "pause", ["by": "Ada", "why": "lunch"])
    #expect(nodes.canary(3).state.decision.why == "lunch")
    let twice = #expect(throws: RoleError.self) { try nodes.ask(2, "pause", [:]) }
    #expect(twice?.message == "it is paused already")
    let shares = #expect(throws: RoleError.self) { try nodes.ask(2, "set", ["weights": ["v1": 100]]) }
    #expect(shares?.message.contains("a rollout sets the shares now") == true)
    _ = try nodes.ask(3, "promote", [:])
    #expect(nodes.canary(1).state.share(of: "v2") == Share(percent: 50))
    _ = try nodes.ask(3, "abort_rollout", ["why": "enough"])
    #expect(nodes.canary(2).state.share(of: "v1") == .whole && nodes.canary(2).state.coolUntilMs == 0)
    _ = try nodes.ask(1, "start", Self.start)
    _ = try nodes.ask(1, "promote", ["all": true])
    #expect(nodes.canary(2).state.stable == "v2" && nodes.canary(2).state.share(of: "v2") == .whole)
    _ = try nodes.ask(1, "set", ["stable": "v2", "remove": ["v1"]])
    #expect(nodes.canary(3).state.releases.map(\.id) == ["v2"] && nodes.digests.count == 1)
  }

  @Test func aSwapKeepsWhatWasCounted() throws {
    let nodes = try Canaries()
    nodes.elect(1)
    nodes.pass(.seconds(3))
    _ = try nodes.ask(1, "start", Self.start)
    var random = SplitMix(state: 4)
    try nodes.serve(2, errors: ["v2": 0.1], random: &random)
    let node = nodes.canary(1), saved = node.saved()
    let other = nodes.canary(2)
    try other.restore(saved)
    #expect(other.counting == node.counting)
    #expect(other.inherited?.state == node.state && other.inherited?.spentMs == node.elapsedMs)
  }
}
