import NodeKit
import NodeTesting
import Tensors
import TrainerCore
import TrainerWire

@testable import LearningCore

/// Lends a server of federated learning.
final class ServerRole: Role {
  static let about = About("flserver", version: "0.0.0", "Lends its server.")
  static let needs: [Need] = [.http, .rpc, .store, .blob, .work, .timer, .random, .roles, .metrics]
  let server: LearningServer
  init(_ context: RoleContext, _ config: ServerSettings) throws { server = try LearningServer(context, config) }
  func start() throws { try server.start() }
}

/// A server and its trainers, each on a fake host, with gRPC between them.
final class Together {
  let host: FakeHost
  let trainers: [FakeHost]
  /// Calls to it never arrive.
  var silent: Set<Int> = []
  /// Told of each call before it arrives.
  var watch: (RecordedRpc, Int) -> Void = { _, _ in }
  private var bridges: [Bridge] = []

  private final class Bridge {
    let outer: RecordedRpc
    let inner: PendingRpc
    var sent = 0, received = 0
    var hasFinished = false

    init(_ outer: RecordedRpc, _ inner: PendingRpc) { (self.outer, self.inner) = (outer, inner) }

    /// True when it is over.
    func move() -> Bool {
      while sent < outer.messages.count {
        inner.send(outer.messages[sent])
        sent += 1
      }
      if outer.hasFinished, !hasFinished {
        hasFinished = true
        inner.finish()
      }
      while received < inner.messages.count {
        outer.send(inner.messages[received])
        received += 1
      }
      if let ending = inner.ending { outer.end(ending.error) }
      return outer.ending != nil || inner.ending != nil
    }
  }

  init(trainers count: Int, settings: JSON = [:]) throws {
    trainers = try (0..<count).map { index in
      var config = settings.object ?? JSONObject()
      config["data"] = [
        "digits": ["format": "synthetic", "count": .int(Int64(24 + 8 * index)), "noise": 0.2] as JSON
      ]
      let host = try FakeHost(Trainer.self, config: .object(config), seed: UInt64(index + 1))
      try host.start()
      return host
    }
    let targets = (0..<count).map { JSON.string("http://trainer-\($0)") }
    host = try FakeHost(ServerRole.self, config: ["trainers_from": "", "trainers": .array(targets)])
    host.whenRpcCalled = { [unowned self] in take($0) }
    try host.start()
    advance(by: .seconds(3))
  }

  private func take(_ call: RecordedRpc) {
    guard let index = Int(call.target.dropFirst("http://trainer-".count)) else { return }
    watch(call, index)
    guard !silent.contains(index) else { return }
    bridges.append(Bridge(call, trainers[index].openRpc(call.path)))
  }

  func advance(by duration: Duration, step: Duration = .milliseconds(50)) {
    var passed = Duration.zero
    while passed < duration {
      for host in trainers + [host] { host.clock.advance(by: step) }
      let all = bridges
      bridges = []
      bridges += all.filter { !$0.move() }
      passed += step
    }
  }

  var server: LearningServer { host.role(as: ServerRole.self)!.server }

  static let model: JSON = ["input": [784], "layers": [["dense": 12], "relu", ["dense": 10]]]

  /// A session to its end.
  func learn(_ session: JSON = [:], _ client: JSON = [:], rounds: Int = 3) throws -> LearningSession {
    let started = try begin(session, client, rounds: rounds)
    for _ in 0..<300 where !started.isOver { advance(by: .milliseconds(200)) }
    return started
  }

  func begin(_ session: JSON = [:], _ client: JSON = [:], rounds: Int = 3) throws -> LearningSession {
    var own = session.object ?? JSONObject(), task = client.object ?? JSONObject()
    own["session_id"] = own["session_id"] ?? "s"
    for (key, value) in [("dataset", "digits"), ("learning_rate", 0.05), ("batch_size", 16)] as [(String, JSON)] {
      task[key] = task[key] ?? value
    }
    var begun: Result<LearningSession, RoleError>?
    try server.begin([
      "session_config": .object(own), "client_training_config": .object(task),
      "server_training_config": ["num_training_rounds": .int(Int64(rounds))],
      "model_config": ["description": Self.model],
    ]) { begun = $0 }
    for _ in 0..<100 where begun == nil { advance(by: .milliseconds(10)) }
    guard let started = try begun?.get() else { throw RoleError(.internal, "the session does not begin") }
    return started
  }

  func weights(_ session: LearningSession) throws -> Weights {
    guard let model = session.newest, let object = host.blobs.objects[model.object] else {
      throw RoleError(.notFound, "there is no model")
    }
    return try Weights(Safetensors(object.bytes))
  }

  /// Of the session, with an event of that name.
  func events(_ session: LearningSession, _ name: String) throws -> [JSON] {
    var found: [JSON] = []
    try server.events(session.id, after: 0, limit: 1000) { found = (try? $0.get().array) ?? [] }
    advance(by: .milliseconds(100))
    return found.filter { $0["event"]?.string == name }
  }
}
