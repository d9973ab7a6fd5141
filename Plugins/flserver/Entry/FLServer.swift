import LearningCore
import NodeKit

/// Serves sessions of federated learning.
@main
final class FLServer: Role, HealthReporting, Stateful {
  static let about = About(
    "flserver", version: "1.0.0", "Lets trainers learn together, without seeing their data.")
  static let needs: [Need] = [
    .http, .rpc, .store, .blob, .work, .timer, .random, .roles, .metrics, .bus, .optional(.client),
    .optional(.peers),
  ]
  static let methods = [
    Method("start(document)", "Begins a session: the sections of its document, as JSON.", begin),
    Method("sessions()", "All sessions, the oldest first.", idempotent: true, sessions),
    Method("status(session)", "One session: its round, who trains, how good it is.", idempotent: true, status),
    Method("trainers()", "The trainers that are known, and what was seen of each.", idempotent: true, trainers),
    Method("history(session,after,limit)", "Events after a number, the oldest first.", idempotent: true, history),
    Method(
      "export(session,round,format)", "Makes a file of a model: safetensors, npz or onnx; see `hostctl fl export`.",
      export),
    Method("stop(session,why)", "Ends a session; its models stay.", stop),
    Method("resume(session,rounds)", "Goes on with a session; 0 rounds: as many as before.", resume),
  ]

  private let server: LearningServer

  init(_ context: RoleContext, _ config: ServerSettings) throws { server = try LearningServer(context, config) }

  func start() throws { try server.start() }
  func health() -> Health { server.health() }

  func begin(_ document: JSON, _ reply: Reply<JSON>) {
    server.answer(reply.refuse) { [server] in try server.start(document, then: reply.settle) }
  }
  func sessions(_ reply: Reply<JSON>) { server.answer(reply.settle) { [server] in try server.list() } }
  func status(_ session: String, _ reply: Reply<JSON>) {
    server.answer(reply.settle) { [server] in try server.status(session) }
  }
  func trainers() -> JSON { server.trainerList() }
  func history(_ session: String, _ after: Int, _ limit: Int, _ reply: Reply<JSON>) {
    server.answer(reply.refuse) { [server] in
      try server.events(session, after: after, limit: limit, then: reply.settle)
    }
  }
  func export(_ session: String, _ round: Int, _ format: String, _ reply: Reply<JSON>) {
    server.answer(reply.refuse) { [server] in try server.export(session, round, format, then: reply.settle) }
  }
  func stop(_ session: String, _ why: String, _ reply: Reply<JSON>) {
    server.answer(reply.refuse) { [server] in try server.stop(session, why, then: reply.send) }
  }
  func resume(_ session: String, _ rounds: Int, _ reply: Reply<JSON>) {
    server.answer(reply.settle) { [server] in try server.goOn(session, rounds) }
  }

  static let stateVersion = 1
  func save() -> JSON { server.saved() }
  func load(_ saved: JSON, version: Int) { server.restore(saved) }
}

extension Reply<JSON> {
  fileprivate func settle(_ result: Swift.Result<JSON, RoleError>) {
    switch result {
    case .success(let json): send(json)
    case .failure(let error): fail(error)
    }
  }

  /// Of what answers by itself, later.
  fileprivate func refuse(_ begun: Swift.Result<Void, RoleError>) {
    if case .failure(let error) = begun { fail(error) }
  }
}
