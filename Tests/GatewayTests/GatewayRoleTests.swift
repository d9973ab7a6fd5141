import NodeTesting
import ProtoFields
import Testing

@testable import GatewayCore

/// The role on a fake host.
@Suite struct GatewayRoleTests {
  static let quick: JSON = [
    "node_timeout_seconds": 3, "heartbeat_interval_seconds": 1, "expiry_least": 2, "expiry_percent": 20,
  ]

  private func start(_ config: JSON = quick, store: FakeStore? = nil) throws -> FakeHost {
    let host = try FakeHost(GatewayRole.self, config: config)
    if let store { host.store = store }
    try host.start()
    host.clock.advance(by: .milliseconds(50))
    return host
  }

  private func message(_ body: (inout ProtoWriter) -> Void) -> [UInt8] {
    var writer = ProtoWriter()
    body(&writer)
    return writer.bytes
  }

  private func call(_ host: FakeHost, _ method: String, _ request: [UInt8]) throws -> PendingRpc {
    let call = host.rpc("/GatewayService/\(method)", request)
    host.clock.advance(by: .milliseconds(5))
    return call
  }

  private func register(_ host: FakeHost, _ id: Int32, _ port: Int32 = 1, instance: String = "") throws -> PendingRpc {
    try call(
      host, "RegisterNode",
      message {
        $0.int32(1, id)
        $0.string(2, "10.0.0.1")
        $0.int32(3, port)
        $0.string(100, instance)
      })
  }

  private func beat(_ host: FakeHost, _ id: Int32) throws -> String {
    let answer = try call(host, "Heartbeat", message { $0.int32(1, id) })
    var reader = ProtoReader(answer.messages.first ?? []), status = ""
    while try reader.next() { if reader.field == 1 { status = try reader.string() } }
    return status
  }

  private func isBootstrap(_ call: PendingRpc) throws -> Bool {
    var reader = ProtoReader(try #require(call.messages.first)), truth = false
    while try reader.next() { if reader.field == 3 { truth = try reader.bool() } }
    return truth
  }

  @Test func whatIsRegisteredSurvivesARestart() throws {
    let first = try start()
    #expect(try isBootstrap(register(first, 1, instance: "a")))
    _ = try register(first, 2)
    let digest = try first.call("digest") as String
    first.destroy()
    let second = try start(store: first.store)
    #expect(try second.call("digest") as String == digest)
    #expect(try !isBootstrap(register(second, 3)))
    #expect(try isBootstrap(register(second, 1, instance: "a")))
    #expect(first.misuse.isEmpty && second.misuse.isEmpty)
  }

  @Test func silentNodesExpireAndAreToldOf() throws {
    let host = try start()
    _ = try register(host, 1)
    _ = try register(host, 2)
    for _ in 0..<40 {
      host.clock.advance(by: .milliseconds(100))
      #expect(try beat(host, 1) == "acknowledged")
    }
    #expect(try beat(host, 2) == "not_found")
    #expect(host.published.map(\.topic) == ["gateway.joined", "gateway.joined", "gateway.left"])
    #expect(try host.published.last?.decode(JSON.self)["reason"]?.string == "expired")
    let nodes = try host.call("nodes") as JSON
    #expect(nodes.array?.count == 1 && nodes[0]?["status"]?.string == "active")
    host.clock.advance(by: .milliseconds(2_500))
    #expect((try host.call("nodes") as JSON)[0]?["status"]?.string == "silent")
    #expect(host.misuse.isEmpty)
  }

  @Test func manySilentNodesAreSparedUntilTheHardDeadline() throws {
    let host = try start()
    for id in 1...20 { _ = try register(host, Int32(id), Int32(id)) }
    host.clock.advance(by: .seconds(4))
    // A fifth of twenty.
    #expect((try host.call("stats") as JSON)["nodes"]?.int == 16)
    #expect(try host.health() == .degraded("16 silent nodes are spared, since very many are silent at once"))
    #expect(host.log.contains { $0.level == .warning && $0.message.hasPrefix("very many nodes are silent") })
    for id in 1...20 { _ = try beat(host, Int32(id)) }
    host.clock.advance(by: .milliseconds(500))
    #expect(try host.health() == .ok)
    host.clock.advance(by: .seconds(11))
    #expect((try host.call("stats") as JSON)["nodes"]?.int == 0)
    #expect(host.misuse.isEmpty)
  }

  @Test func theIdOfASparedNodeIsFreeForWhoWantsIt() throws {
    let host = try start()
    for id in 1...20 { _ = try register(host, Int32(id), Int32(id)) }
    let early = try register(host, 7, 99)
    #expect(early.status == .alreadyExists)
    #expect(early.ending?.message.hasPrefix("node 7 is already there: 10.0.0.1:7, registered 0 s ago") == true)
    host.clock.advance(by: .seconds(4))
    let spared = try #require((try host.call("nodes") as JSON)[0]?["node_id"]?.int)
    #expect(try register(host, Int32(spared), 99).status == .ok)
    #expect(host.log.contains { $0.message == "node \(spared) is out: expired" })
    #expect(host.misuse.isEmpty)
  }

  @Test func aDiskThatIsFullLetsNobodyIn() throws {
    let host = try start()
    host.store.fault = .full
    let call = try register(host, 1)
    host.clock.advance(by: .seconds(10))
    #expect(call.status == .unavailable)
    #expect((try host.call("stats") as JSON)["nodes"]?.int == 0)
    #expect(host.misuse.isEmpty)
  }

  @Test func tooManyAtOnceAreToldToWait() throws {
    let host = try start(["pending_limit": 2])
    host.store.takes = .seconds(1)
    let calls = try (1...4).map { try register(host, Int32($0), Int32($0)) }
    #expect(calls.map(\.status) == [nil, nil, .resourceExhausted, .resourceExhausted])
    #expect(calls[2].ending?.metadata["retry-after-ms"] == "500")
    host.clock.advance(by: .seconds(5))
    #expect(calls[0].status == .ok && calls[1].status == .ok)
    #expect(host.misuse.isEmpty)
  }

  @Test func aWatcherThatDoesNotReadIsCutOff() throws {
    let host = try start(["history_limit": 16])
    let call = host.openRpc("/GatewayService/Watch", room: 4)
    call.send([UInt8]())
    host.clock.advance(by: .milliseconds(10))
    for port in 1...10 { _ = try register(host, 1, Int32(port), instance: "i") }
    #expect(call.status == nil && call.messages.count == 4)
    for port in 11...40 { _ = try register(host, 1, Int32(port), instance: "i") }
    #expect(call.status == .resourceExhausted)
    #expect(call.ending?.message.contains("watch again") == true)
    #expect(host.misuse.isEmpty)
  }

  @Test func aSwapKeepsTheRegistry() throws {
    let host = try start()
    _ = try register(host, 1)
    let watcher = host.rpc("/GatewayService/Watch", [UInt8]())
    let digest = try host.call("digest") as String
    let next = try host.swap(to: GatewayRole.self, config: Self.quick)
    next.clock.advance(by: .milliseconds(50))
    #expect(watcher.status == .unavailable)
    #expect(try next.call("digest") as String == digest)
    #expect(try beat(next, 1) == "acknowledged")
    #expect(host.misuse.isEmpty && next.misuse.isEmpty)
  }

  @Test(
    arguments: [
      (["heartbeat_interval_seconds": 200], "/heartbeat_interval_seconds"),
      (
        ["node_timeout_seconds": 9, "heartbeat_interval_seconds": 1, "gateways": ["1": "h:1", "2": "h:2"]],
        "/node_timeout_seconds"
      ),
      (["gateways": ["2": "h:1"]], "/gateways"), (["gateways": ["1": "h"]], "/gateways/1"),
      (["gateways": ["x": "h:1"]], "/gateways/x"), (["tokens": ["x": "secret"]], "/tokens/x"),
    ] as [(JSON, String)])
  func settingsThatMakeNoSense(_ config: JSON, _ place: String) {
    let error = #expect(throws: RoleError.self) { try FakeHost(GatewayRole.self, config: config) }
    #expect(error?.place == place && error?.message.contains("secret") == false)
  }
}
