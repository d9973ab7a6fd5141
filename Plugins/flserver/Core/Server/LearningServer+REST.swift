internal import NodeKit

// The REST interface; and that of Flotilla, whose session script starts a session here as there.
extension LearningServer {
  private static let documentLimit = 1 << 20

  func addRoutes() throws {
    try route("POST", "/sessions") { [unowned self] request in
      try readDocument(request) { [self] document in
        try start(document) { Self.answer(request, 201, $0) }
      }
    }
    try route("GET", "/sessions") { [unowned self] in try $0.answer(json: list()) }
    try route("GET", "/trainers") { [unowned self] in try $0.answer(json: trainerList()) }
    try route("POST", "/execute_command") { [unowned self] in try executeCommand($0) }
    // For the other servers, where they succeed one another.
    if !settings.elector.isEmpty {
      try route("GET", "/objects/{id}") { [unowned self] in
        try ModelDownload(context.blobs, $0["id"] ?? "", $0).begin()
      }
    }
    try route("POST", "/models") { [unowned self] in try takeModel($0) }
    try one("GET", "") { [unowned self] in try $0.answer(json: status($1)) }
    try one("GET", "/history") { [unowned self] in try sendHistory($0, $1) }
    try one("GET", "/events") { [unowned self] in try session($1).history.watch($0) }
    try one("GET", "/model") { [unowned self] in try sendModel($0, $1) }
    try one("POST", "/stop") { [unowned self] request, id in
      try stop(id, request.queryValue("why") ?? "") { try? request.answer(json: $0) }
    }
    try one("POST", "/resume") { [unowned self] request, id in
      let rounds = try Self.number(request, "rounds", 0)
      try request.answer(json: goOn(id, rounds))
    }
  }

  private func route(_ method: String, _ pattern: String, _ body: @escaping (HTTPRequest) throws -> Void) throws {
    try context.http.route(method, pattern, listener: settings.listener) { request in
      do { try body(request) } catch { try Self.refuse(request, error) }
    }
  }

  private func one(_ method: String, _ rest: String, _ body: @escaping (HTTPRequest, String) throws -> Void) throws {
    try route(method, "/sessions/{id}\(rest)") { request in try body(request, request["id"] ?? "") }
  }

  private static func refuse(_ request: HTTPRequest, _ error: any Error) throws {
    let error = RoleError(error)
    var answer = JSONObject([("error", .string(error.message))])
    if !error.place.isEmpty { answer["place"] = .string(error.place) }
    try request.answer(error.httpStatus, json: .object(answer))
  }

  private static func answer(_ request: HTTPRequest, _ status: Int, _ result: Result<JSON, RoleError>) {
    switch result {
    case .success(let json): try? request.answer(status, json: json)
    case .failure(let error): try? refuse(request, error)
    }
  }

  private static func number(_ request: HTTPRequest, _ name: String, _ usual: Int) throws -> Int {
    guard let text = request.queryValue(name) else { return usual }
    guard let number = Int(text) else { throw RoleError(.invalidArgument, "`\(text)` is no number", at: name) }
    return number
  }

  private func readDocument(_ request: HTTPRequest, _ body: @escaping (JSON) throws -> Void) throws {
    request.collectBody(limit: Self.documentLimit) { bytes in
      do { try body(JSON(payload: bytes)) } catch { try Self.refuse(request, error) }
    }
  }

  // MARK: Flotilla

  /// Answers when the session is over, as Flotilla's server does.
  private func executeCommand(_ request: HTTPRequest) throws {
    try readDocument(request) { [self] command in
      guard let document = command["federated_learning_config"], document.object != nil else {
        return try request.answer(
          400, json: ["message": "Invalid request", "error": "federated_learning_config is missing"])
      }
      let wanted = command["session_id"]?.string ?? document["session_config"]?["session_id"]?.string ?? ""
      do {
        let goesOn = command["restore"]?.bool == true || command["revive"]?.bool == true
        let named = document.named(wanted)
        let meant = goesOn ? try session(wanted).document : try SessionDocument(reading: named)
        // So that the same session can be begun when somebody has come.
        guard !trainers.candidates(for: meant).isEmpty else {
          let words = "nobody has the data `\(meant.clientTrainingConfig.dataset)`"
          return try request.answer(400, json: ["message": "No active clients", "error": .string(words)])
        }
        if goesOn { return answerAtItsEnd(request, try resume(wanted, rounds: nil)) }
        try begin(named) { [self] begun in
          switch begun {
          case .success(let session): answerAtItsEnd(request, session)
          case .failure(let error): try? Self.refuse(request, error)
          }
        }
      } catch let error as RoleError where error.status == .alreadyExists {
        try request.answer(
          400, json: ["message": "A session is already running", "error": .string(error.message)])
      }
    }
  }

  private func answerAtItsEnd(_ request: HTTPRequest, _ session: LearningSession) {
    var hasGone = false
    request.whenFailed { _ in hasGone = true }
    session.whenOver.append { words in
      guard !hasGone else { return }
      let failed = words.hasPrefix("failed")
      let message = "Session \(session.id) \(failed ? words : "finished")"
      try? request.answer(failed ? 500 : 200, json: ["message": .string(message), "how": .string(words)])
    }
  }

  // MARK: Models

  /// Takes a safetensors file to begin sessions with.
  private func takeModel(_ request: HTTPRequest) throws {
    let limit = settings.modelBytes
    guard let length = request.header("content-length").flatMap({ Int($0) }) else {
      throw RoleError(.invalidArgument, "say how long the file is, by content-length")
    }
    guard length <= limit else {
      throw RoleError(.resourceExhausted, "a file of \(length) bytes; models have at most \(limit)")
    }
    let number = context.random.next()
    var writer: ModelIntake?
    writer = try ModelIntake(context.blobs, "model-\(number)", length, request) { result in
      switch result {
      case .success(let object):
        try request.answer(201, json: ["sha256": .string(object), "bytes": .int(Int64(length))])
      case .failure(let error): try Self.refuse(request, error)
      }
      writer = nil
    }
    writer?.begin()
  }

  /// The newest model, or that of a checkpoint.
  private func sendModel(_ request: HTTPRequest, _ id: String) throws {
    let session = try session(id), version = try Self.number(request, "round", session.version)
    guard let model = session.model(version) else {
      throw RoleError(.notFound, "the session `\(id)` keeps no model of round \(version)", at: "round")
    }
    let headers: HTTPHeaders = [
      "content-length": "\(model.bytes)", "x-round": "\(version)", "etag": "\"\(model.object)\"",
      "content-disposition": "attachment; filename=\"\(id)-\(version).safetensors\"",
    ]
    try ModelDownload(context.blobs, model.object, request, headers).begin()
  }

  /// JSON Lines, page by page.
  private func sendHistory(_ request: HTTPRequest, _ id: String) throws {
    let after = try Self.number(request, "after", 0), limit = try Self.number(request, "limit", 1_000)
    var hasGone = false
    request.whenFailed { _ in hasGone = true }
    try events(id, after: after, limit: limit) { result in
      guard !hasGone else { return }
      switch result {
      case .success(let events):
        let lines = (events.array ?? []).map { $0.description + "\n" }.joined()
        try? request.answer(type: "application/jsonl", Array(lines.utf8))
      case .failure(let error): try? Self.refuse(request, error)
      }
    }
  }
}

extension JSON {
  /// A session's document under another name.
  fileprivate func named(_ id: String) -> JSON {
    guard !id.isEmpty, var document = object else { return self }
    var section = document["session_config"]?.object ?? JSONObject()
    section["session_id"] = .string(id)
    document["session_config"] = .object(section)
    return .object(document)
  }
}
