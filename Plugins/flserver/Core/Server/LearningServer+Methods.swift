public import NodeKit

// What people and other roles ask for, by call and by REST alike.
extension LearningServer {
  private static let historyLimit = 1_000

  /// Answers when the disk has it, so that no kill makes it undone.
  public func start(_ document: JSON, then done: @escaping (Result<JSON, RoleError>) -> Void) throws {
    try begin(document) { [self] begun in done(begun.map { $0.summary(context.now.nanoseconds) }) }
  }

  public func list() throws -> JSON {
    try requireReady()
    return .array(
      sessions.values.sorted { ($0.record?.began ?? .max, $0.id) < ($1.record?.began ?? .max, $1.id) }
        .map { $0.summary(context.now.nanoseconds) })
  }

  public func status(_ id: String) throws -> JSON { try session(id).whole(context.now.nanoseconds) }

  public func trainerList() -> JSON { .array(trainers.inOrder.map(\.json)) }

  /// Answers when it is over, and the disk says so.
  public func stop(_ id: String, _ why: String, then done: @escaping (JSON) -> Void) throws {
    let session = try session(id)
    guard !session.isOver else {
      throw RoleError(.failedPrecondition, "the session `\(id)` is over: \(session.words)")
    }
    session.whenOver.append { [context] _ in done(session.summary(context.now.nanoseconds)) }
    session.stop(why.isEmpty ? "somebody asked for it" : why)
  }

  public func goOn(_ id: String, _ rounds: Int) throws -> JSON {
    guard (0...1_000_000).contains(rounds) else {
      throw RoleError(.invalidArgument, "\(rounds) rounds; up to 1000000, and 0 for as many as before", at: "rounds")
    }
    return try resume(id, rounds: rounds == 0 ? nil : rounds).summary(context.now.nanoseconds)
  }

  /// A file of a model, as an object of the node: what it is called, and how long it is.
  public func export(
    _ id: String, _ round: Int, _ format: String, then done: @escaping (Result<JSON, RoleError>) -> Void
  ) throws {
    let session = try session(id)
    guard let model = session.model(round) else {
      throw RoleError(.notFound, "the session `\(id)` keeps no model of round \(round)", at: "round")
    }
    guard let form = ModelExporter.Format(rawValue: format) else {
      let known = ModelExporter.Format.allCases.map(\.rawValue).joined(separator: ", ")
      throw RoleError(.invalidArgument, "models are written as \(known), and not as `\(format)`", at: "format")
    }
    exporter.export(model, session.choice.description, form, limit: settings.modelBytes) { result in
      done(result.map { ["sha256": .string($0.object), "bytes": .int(Int64($0.bytes)), "round": .int(Int64(round))] })
    }
  }

  /// Events after a number, the oldest first.
  public func events(
    _ id: String, after: Int, limit: Int, then done: @escaping (Result<JSON, RoleError>) -> Void
  ) throws {
    _ = try session(id)
    guard after >= 0, (1...Self.historyLimit).contains(limit) else {
      throw RoleError(.invalidArgument, "ask for 1 to \(Self.historyLimit) events after a number from 0 on")
    }
    let prefix = SessionHistory.prefix(id)
    var events: [JSON] = []
    try context.store.scan(
      from: SessionHistory.key(prefix, Int64(after) + 1), to: SessionHistory.key(prefix, 999_999_999_999), limit: limit
    ) { (stored: Stored<JSON>) in
      events.append(stored.value)
    } then: {
      done($0.map { _ in .array(events) })
    }
  }
}

extension LearningSession {
  /// A line of the list.
  func summary(_ now: Int64) -> JSON {
    let validated = history.last
    return [
      "session_id": .string(id), "state": .string(isOver ? "over" : words), "end": isOver ? .string(words) : .null,
      "round": .int(Int64(version)), "rounds": .int(Int64(rounds)),
      "aggregator": .string(document.sessionConfig.aggregator),
      "client_selection": .string(document.sessionConfig.clientSelection),
      "model": .string(document.clientTrainingConfig.modelId),
      "dataset": .string(document.clientTrainingConfig.dataset),
      "began_ms": record.map { .int($0.began) } ?? .null,
      "accuracy": validated?["accuracy"] ?? .null, "loss": validated?["loss"] ?? .null,
      "sha256": newest.map { .string($0.object) } ?? .null,
    ]
  }

  func whole(_ now: Int64) -> JSON {
    var object = summary(now).object ?? JSONObject()
    object["parameters"] = newest.map { .int(Int64($0.count)) } ?? .null
    object["lack"] = runner?.session.lack.map { .string($0) } ?? .null
    object["waiting"] = .int(Int64(runner?.session.waiting.count ?? 0))
    object["open"] = .array(
      (runner?.session.open.values.sorted { $0.number < $1.number } ?? []).map { ticket in
        let progress = runner?.progress[ticket.number]
        return [
          "trainer": .string(ticket.trainer), "ticket": JSON(ticket.number), "round": .int(Int64(ticket.version)),
          "share": .double(progress?.share ?? 0), "loss": progress.map { .double($0.loss) } ?? .null,
          "left_ms": .int(max(0, (ticket.deadline - now) / 1_000_000)),
        ]
      })
    let checkpoints = shown?.checkpoints.keys.sorted() ?? []
    object["checkpoints"] = .array(checkpoints.map { .int(Int64($0)) })
    object["document"] = document.setting ?? .null
    return .object(object)
  }
}
