import MemberCore
import NodeTesting
import Testing

/// A member on a fake host, with gateways that the test plays.
final class Club {
  var host: FakeHost
  let registry = FakeRegistry()
  let gateways: [FakeGateway]
  var first: FakeGateway { gateways[0] }
  var second: FakeGateway { gateways[1] }
  private let config: JSON

  /// Of node 1, whose gateways are `http://g1:8090` and so on.
  init(gateways count: Int = 1, _ more: [(String, JSON)] = [], seed: UInt64 = 1, starts: Bool = true) throws {
    let names = (1...count).map { "g\($0):8090" }
    gateways = names.map { [registry] in FakeGateway("http://\($0)", registry) }
    config = .object(
      JSONObject(
        [
          ("gateways", .array(names.map { .string($0) })), ("address", "10.0.0.1"), ("port", 7001),
          ("capabilities", ["raft", "gossip"]), ("labels", ["zone": "a"]),
        ] + more))
    host = try FakeHost(Member.self, config: config, seed: seed)
    play()
    if starts { try start() }
  }

  private func play() {
    host.whenRpcCalled = { [unowned self] call in
      let gateway = gateways.first { $0.target == call.target }
      guard let gateway else { return call.end(RoleError(.unavailable, "no such host")) }
      gateway.take(call, at: host.clock.now)
    }
    registry.told = { [unowned self] bytes in for gateway in gateways where gateway.isUp { gateway.tell(bytes) } }
  }

  func start() throws {
    try host.start()
    pass(0.01)
  }

  func pass(_ seconds: Double) { host.clock.advance(by: .milliseconds(Int64(seconds * 1000))) }

  func swap() throws {
    host = try host.swap(to: Member.self, config: config)
    play()
    pass(0.01)
  }

  /// The node dies, and is started again, with its disk.
  func restart(seed: UInt64 = 2) throws {
    let next = try FakeHost(Member.self, config: config, seed: seed)
    next.store = host.store
    next.clock.advance(by: host.clock.now.duration(to: host.clock.now))
    host = next
    play()
    try start()
  }

  // MARK: What there is

  func node(_ id: Int32, address: String = "10.0.0.9", capabilities: [String] = [], instance: String = "x")
    -> NodeRecord
  {
    var node = NodeRecord()
    (node.id, node.address, node.port, node.capabilities) = (id, address, 7000 + id, capabilities)
    node.instance = instance
    return node
  }

  var ids: [Int64] { get throws { try list("nodes")["nodes"]?.array?.compactMap { $0["id"]?.int } ?? [] } }
  func list(_ method: String) throws -> JSON { try host.call(method) }
  var status: JSON { get throws { try host.call("status") } }

  /// What was published, as "joined 3" or "leader 3".
  var events: [String] {
    host.published.map { event in
      let json = try? JSON(parsing: event.text)
      let id = json?["node"]?["id"] ?? json?["leader"] ?? .null
      return "\(event.topic.dropFirst("member.".count)) \(id)"
    }
  }

  func logged(_ level: LogLine.Level, _ words: String) -> Int {
    host.log.count { $0.level == level && contains($0.message, words) }
  }

  deinit { host.whenRpcCalled = nil }
}

/// Without Foundation.
func contains(_ text: String, _ words: String) -> Bool {
  var rest = text[...]
  while !rest.isEmpty {
    if rest.hasPrefix(words) { return true }
    rest.removeFirst()
  }
  return words.isEmpty
}

func seconds(_ from: Moment, _ to: Moment) -> Double { Double(to.nanoseconds - from.nanoseconds) / 1e9 }

func gaps(_ times: [Moment]) -> [Double] { zip(times, times.dropFirst()).map(seconds) }
