import NodeKit
import NodeTesting
import Tensors
import Testing
import Training
import TrainerWire

@testable import TrainerCore

/// Trainers on fake hosts that exchange by gRPC, and know one another from a role that is played.
private final class GossipNetwork {
  let hosts: [FakeHost]
  let configurations: [JSON]
  /// Nobody hears of these.
  var silent: Set<Int> = []
  private var bridges: [(outer: RecordedRpc, inner: PendingRpc)] = []

  init(_ count: Int, rounds: Int, settings: JSON = [:]) throws {
    var gossip = settings.object ?? JSONObject()
    gossip["rounds"] = .int(Int64(rounds))
    gossip["share"] = gossip["share"] ?? 0.25
    gossip["wait_s"] = 2
    gossip["model"] = ["input": [784], "layers": [["dense": 12], "relu", ["dense": 10]]]
    gossip["training"] = ["dataset": "digits", "batch_size": 16, "learning_rate": 0.05]
    configurations = (0..<count).map { index in
      [
        "gossip": .object(gossip),
        "data": ["digits": ["format": "synthetic", "count": 60, "noise": 0.2, "stream": .int(Int64(index))] as JSON],
      ]
    }
    hosts = try configurations.enumerated().map { index, config in
      try FakeHost(Trainer.self, config: config, seed: UInt64(index + 1))
    }
    let nodes = JSON.array(
      (0..<count).map { ["id": .int(Int64($0)), "address": "10.0.0.1", "port": .int(Int64(7000 + $0))] })
    for (index, host) in hosts.enumerated() {
      host.stub("member", "status") { () -> JSON in ["id": .int(Int64(index))] }
      host.stub("member", "find") { (_: JSON) -> JSON in ["nodes": nodes] }
      host.whenRpcCalled = { [unowned self] call in
        guard let peer = Int(call.target.suffix(4)).map({ $0 - 7000 }), !silent.contains(peer), !silent.contains(index)
        else { return }
        let inner = hosts[peer].openRpc(call.path)
        for message in call.messages { inner.send(message) }
        inner.finish()
        bridges.append((call, inner))
      }
      try host.start()
    }
  }

  func advance(by duration: Duration) {
    for _ in 0..<Int(duration / .milliseconds(50)) {
      for host in hosts { host.clock.advance(by: .milliseconds(50)) }
      let all = bridges
      bridges = []
      for bridge in all {
        guard let ending = bridge.inner.ending else {
          bridges.append(bridge)
          continue
        }
        for message in bridge.inner.messages { bridge.outer.send(message) }
        bridge.outer.end(ending.error)
      }
    }
  }

  func status(_ index: Int) -> JSON { hosts[index].role(as: Trainer.self)!.status()["gossip"] ?? .null }

  func run() {
    for _ in 0..<200 where hosts.indices.contains(where: { status($0)["stage"]?.string != "over" }) {
      advance(by: .milliseconds(500))
    }
    advance(by: .seconds(1))
  }

  /// What it has kept.
  func model(_ index: Int) throws -> Weights {
    let name = try #require(status(index)["model"]?.string)
    return try Weights(Safetensors(#require(hosts[index].blobs.objects[name]).bytes))
  }
}

@Suite struct GossipNetworkTests {
  private func number(_ status: JSON, _ key: String) -> Int { status[key]?.int.map { Int($0) } ?? -1 }

  @Test func trainersLearnFromOneAnother() throws {
    let network = try GossipNetwork(4, rounds: 8, settings: ["keep_every": 3])
    network.run()
    for index in 0..<4 {
      let status = network.status(index)
      #expect(status["stage"]?.string == "over" && number(status, "round") == 8, "\(status)")
      #expect(number(status, "exchanged") == 8 && number(status, "skipped") == 0, "\(status)")
      #expect(network.hosts[index].misuse.isEmpty)
      #expect(network.hosts[index].blobs.objects.count == 1, "old models stay behind")
    }
    // Nobody has met everybody's last numbers, but they are of one kind.
    let one = try network.model(0),
      start = try TrainingEngine(
        ModelDescription(json: ["input": [784], "layers": [["dense": 12], "relu", ["dense": 10]]]), batch: 1, seed: 1)
    func distance(_ a: [Float], _ b: [Float]) -> Double {
      zip(a, b).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }.squareRoot()
    }
    let learned = distance(one.buffer.array, start.parameters)
    for index in 1..<4 {
      #expect(distance(one.buffer.array, try network.model(index).buffer.array) < learned)
    }
  }

  /// One that nobody hears costs its partners a wait each, and the others go on.
  @Test func whoeverIsGoneIsLeftOut() throws {
    let network = try GossipNetwork(4, rounds: 4)
    network.silent = [2]
    network.run()
    let counts = [0, 1, 3].map { (network.status($0), $0) }
    for (status, index) in counts {
      #expect(status["stage"]?.string == "over", "\(index): \(status)")
      #expect(number(status, "exchanged") + number(status, "skipped") >= 1)
    }
    #expect(counts.reduce(0) { $0 + number($1.0, "skipped") } >= 3)
    #expect(counts.reduce(0) { $0 + number($1.0, "exchanged") } >= 4)
    #expect(number(network.status(2), "exchanged") == 0)
  }

  /// One that starts late leaves out what the others have behind them; a restart goes on where it was.
  @Test func whoeverIsLateCatchesUp() throws {
    let network = try GossipNetwork(3, rounds: 30, settings: ["keep_every": 1])
    network.silent = [2]
    network.advance(by: .seconds(12))
    let before = network.status(0)
    #expect((5..<25).contains(number(before, "round")), "\(before)")
    network.silent = []
    network.run()
    let late = network.status(2)
    #expect(late["stage"]?.string == "over" && number(late, "exchanged") > 3, "\(late)")
    let host = network.hosts[0], blobs = host.blobs
    let again = try FakeHost(Trainer.self, config: network.configurations[0])
    (again.store, again.blobs) = (host.store, blobs)
    try again.start()
    again.clock.advance(by: .milliseconds(10))
    let status = again.role(as: Trainer.self)!.status()["gossip"] ?? .null
    #expect(number(status, "round") == 30 && status["model"] == network.status(0)["model"], "\(status)")
  }

  @Test func otherNetworksAreRefused() throws {
    let network = try GossipNetwork(2, rounds: 50)
    network.advance(by: .milliseconds(100))
    let offer = GossipRequest(network: "other", round: 0, from: "1", part: .offer(SparseNumbers()))
    let call = network.hosts[0].rpc(TrainerMethod.exchange, offer.bytes)
    #expect(call.status == .failedPrecondition)
    let settle = GossipRequest(network: "gossip", round: 0, from: "9", part: .settle([1]))
    #expect(network.hosts[0].rpc(TrainerMethod.exchange, settle.bytes).status == .aborted)
  }
}
