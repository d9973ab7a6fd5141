public import NodeKit

/// The server of federated learning: its sessions, and the trainers that it knows.
public final class LearningServer {
  private static let lookEvery = Duration.milliseconds(250)
  private static let pingEvery = Duration.seconds(15)

  let context: RoleContext
  let settings: ServerSettings
  let trainers = TrainerTable()
  private let tester: ModelTester
  let exporter: ModelExporter
  private var finder: TrainerFinder?
  private var measures: ServerMeasures?
  private let succession: Succession?
  private(set) var sessions: [String: LearningSession] = [:]
  private(set) var isLoaded = false
  private var whenLoaded: [() -> Void] = []
  /// Sessions of the build before this one that were under way: they go on whatever the settings say.
  private var handedOver: Set<String> = []

  public init(_ context: RoleContext, _ settings: ServerSettings) throws {
    (self.context, self.settings) = (context, settings)
    tester = try ModelTester(context, settings)
    exporter = ModelExporter(context)
    succession = settings.elector.isEmpty ? nil : Succession(context, settings)
    for target in settings.trainers where !target.hasPrefix("http://") && !target.hasPrefix("https://") {
      throw RoleError(.invalidArgument, "`\(target)` is no http://HOST:PORT", at: "/trainers")
    }
  }

  public func start() throws {
    let finder = TrainerFinder(context, settings, trainers) { [unowned self] in lookAtSessions() }
    self.finder = finder
    measures = ServerMeasures(context.metrics)
    try addRoutes()
    if let succession { try follow(succession) } else { try load() }
    try finder.start()
    sayWhere()
    // Deadlines of rounds pass whether or not anybody comes.
    try context.timer.every(Self.lookEvery) { [unowned self] in lookAtSessions() }
    try context.timer.every(Self.pingEvery) { [unowned self] in
      for session in sessions.values { session.history.ping() }
    }
  }

  /// What somebody at another machine has to type.
  private func sayWhere() {
    guard let own = try? context.peers.nodes().first(where: \.isSelf), !own.address.isEmpty else { return }
    let listener = settings.listener.isEmpty ? "data" : settings.listener
    if let port = own.ports[listener] {
      context.log.info("sessions are begun here by hostctl fl, and by REST at http://\(own.address):\(port)")
    }
    guard settings.trainersFrom == "gateway" else { return }
    context.log.info(
      "trainers on other machines: nodehost manifests/flotilla/client.yaml --peer \(own.id)=\(own.address)")
  }

  /// One of several servers: it has no sessions until it leads.
  private func follow(_ succession: Succession) throws {
    succession.own = { [unowned self] in readRecords($0) }
    succession.lead = { [unowned self] in
      do { try load() } catch { context.fail(.internal, "the sessions cannot be read: \(error)") }
    }
    succession.follow = { [unowned self] in
      for session in sessions.values { session.letGo() }
      (sessions, isLoaded) = ([:], false)
      askWaiting()
    }
    succession.keepEvent = { [unowned self] session, event in
      guard let number = event["n"]?.int else { return }
      let key = SessionHistory.key(SessionHistory.prefix(session), number)
      try? context.store.commit {
        $0.put(key, event)
      } then: { _ in
      }
    }
    try succession.start()
  }

  private func readRecords(_ done: @escaping (Result<[(String, SessionRecord)], RoleError>) -> Void) {
    var found: [(String, SessionRecord)] = []
    do {
      try context.store.scan(prefix: "session/") { (stored: Stored<JSON>) in
        let parts = stored.name.split(separator: "/")
        if parts.count == 3, parts[2] == "record" { found.append((String(parts[1]), try SessionRecord(stored.value))) }
      } then: {
        done($0.map { _ in found })
      }
    } catch { done(.failure(RoleError(error))) }
  }

  /// Why nothing can be asked here, if nothing can.
  private var absence: RoleError? {
    guard let succession, !succession.leads else { return nil }
    let words = succession.leader.map { "node \($0) leads; ask there" } ?? "nobody leads at present; ask again"
    return RoleError(.unavailable, words)
  }

  func requireReady() throws {
    if let absence { throw absence }
    guard isLoaded else { throw RoleError(.unavailable, "the server still reads its sessions; ask again in a moment") }
  }

  private func lookAtSessions() {
    for session in sessions.values where !session.isOver { session.look() }
    measures?.show(
      trainers: trainers.trainers.values.count(where: \.isThere), sessions: sessions.values.count { !$0.isOver })
  }

  public func health() -> Health {
    if let succession, !succession.leads { return .ok }
    if !isLoaded { return .degraded("it still reads its sessions") }
    if let trouble = finder?.trouble {
      return .degraded("`\(settings.trainersFrom)` does not say who is there: \(trouble)")
    }
    return .ok
  }

  // MARK: The disk

  private func load() throws {
    var found: [(String, JSON)] = [], updates: Set<String>? = []
    try context.store.scan(prefix: "session/") { (stored: Stored<JSON>) in
      let parts = stored.name.split(separator: "/")
      if parts.count == 3, parts[2] == "record" { found.append((String(parts[1]), stored.value)) }
      guard parts.count == 4, parts[2] == "update" else { return }
      if let update = try? Update(stored.value) { updates?.insert(update.object) } else { updates = nil }
    } then: { [self] scanned in
      switch scanned {
      case .success: loadHistories(found, updates)
      case .failure(let error): context.fail(error.status, "the sessions cannot be read: \(error.message)")
      }
    }
  }

  private func loadHistories(_ records: [(String, JSON)], _ updates: Set<String>?) {
    var last: [String: (number: Int64, validated: JSON?)] = [:]
    do {
      try context.store.scan(prefix: "history/") { (stored: Stored<JSON>) in
        let parts = stored.name.split(separator: "/")
        guard parts.count == 3 else { return }
        let id = String(parts[1]), isValidation = stored.value["event"]?.string == "validated"
        last[id] = (SessionHistory.number(of: stored.name), isValidation ? stored.value : last[id]?.validated)
      } then: { [self] scanned in
        if case .failure(let error) = scanned {
          return context.fail(error.status, "the sessions' histories cannot be read: \(error.message)")
        }
        sweep(try? records.map { try SessionRecord($0.1) }, updates) { [self] in
          for (id, record) in records { revive(id, record, last[id]) }
          isLoaded = true
          askWaiting()
        }
      }
    } catch { context.fail(.internal, "the sessions' histories cannot be read: \(error)") }
  }

  /// What a kill has left on the disk that nothing speaks of; nothing if there is a record that this build cannot read,
  /// which may speak of it.
  private func sweep(_ records: [SessionRecord]?, _ updates: Set<String>?, then done: @escaping () -> Void) {
    guard let records, let updates else { return done() }
    do {
      try context.blobs.list { [self] listed in
        for blob in (try? listed.get()) ?? [] where blob.mediaType != ModelIntake.mediaType {
          let isUsed = updates.contains(blob.sha256) || records.contains { $0.uses(blob.sha256) }
          if !isUsed { try? context.blobs.remove(blob.sha256) { _ in } }
        }
        done()
      }
    } catch { done() }
  }

  private func revive(_ id: String, _ json: JSON, _ last: (number: Int64, validated: JSON?)?) {
    do {
      let record = try SessionRecord(json), document = try SessionDocument(reading: record.document)
      let session = try make(id, document, (last?.number ?? 0) + 1, last?.validated, record)
      sessions[id] = session
      // Whoever succeeds another server goes on as if it were that one.
      if record.end.isEmpty, settings.resumes || handedOver.contains(id) || succession != nil { session.goOn() }
    } catch {
      context.log.error("session \(id) cannot be taken up again: \(error)")
    }
  }

  private func make(
    _ id: String, _ document: SessionDocument, _ next: Int64, _ validated: JSON?, _ record: SessionRecord?
  ) throws -> LearningSession {
    let history = SessionHistory(context, session: id, next: next, last: validated) { [measures, succession] in
      measures?.count($0)
      succession?.tell(id, $0)
    }
    return try LearningSession(
      context, id, document, history, trainers, tester, modelLimit: settings.modelBytes,
      succession: succession, record: record)
  }

  // MARK: Sessions

  private static func check(_ id: String) throws {
    let allowed = id.utf8.allSatisfy {
      (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
        || "-_.".utf8.contains($0)
    }
    guard !id.isEmpty, allowed, id.utf8.count <= 100 else {
      throw RoleError(
        .invalidArgument, "`\(id)` is no name for a session; take letters, digits, `-`, `_` and `.`",
        at: "/session_config/session_id")
    }
  }

  func session(_ id: String) throws -> LearningSession {
    try requireReady()
    guard let session = sessions[id] else {
      let known = sessions.keys.sorted().prefix(20).joined(separator: ", ")
      throw RoleError(
        .notFound, "there is no session `\(id)`; \(known.isEmpty ? "there is none" : "there are \(known)")")
    }
    return session
  }

  private func requireRoom() throws {
    let running = sessions.values.count { !$0.isOver }
    guard running < settings.sessionsAtATime else {
      throw RoleError(.resourceExhausted, "\(running) sessions are under way; wait, or stop one")
    }
  }

  /// Begins a session that nobody has begun before.
  func begin(_ json: JSON, then done: @escaping (Result<LearningSession, RoleError>) -> Void) throws {
    try requireReady()
    let document = try SessionDocument(reading: json), id = document.sessionConfig.sessionId
    try Self.check(id)
    if let known = sessions[id] {
      throw RoleError(
        .alreadyExists,
        known.isOver
          ? "there was a session `\(id)` (\(known.words)); resume it, or take another session_id"
          : "a session `\(id)` is running already")
    }
    try requireRoom()
    let session = try make(id, document, 1, nil, nil)
    sessions[id] = session
    session.begin { [self] failure in
      guard let failure else { return done(.success(session)) }
      sessions[id] = nil
      done(.failure(failure))
    }
  }

  /// Goes on with a session that has ended, or that was under way when the node was killed.
  /// - Parameter rounds: how many models there are to be in the end; nil is as before.
  func resume(_ id: String, rounds: Int?) throws -> LearningSession {
    let old = try session(id)
    guard old.isOver || old.isIdle else {
      throw RoleError(.alreadyExists, "the session `\(id)` is running already, at round \(old.version)")
    }
    guard var record = old.record else {
      throw RoleError(.failedPrecondition, "the session `\(id)` never began: \(old.words); start another one")
    }
    var document = old.document
    if let rounds { document.serverTrainingConfig.numTrainingRounds = rounds }
    guard record.version < document.serverTrainingConfig.numTrainingRounds else {
      throw RoleError(
        .failedPrecondition,
        "the session `\(id)` has made its \(record.version) rounds; say how many there are to be, as with --rounds "
          + "\(record.version * 2)")
    }
    try requireRoom()
    record.end = ""
    record.document = document.setting ?? .null
    succession?.stamp(&record)
    let written = record
    let session = try make(id, document, old.history.next, old.history.last, written)
    old.history.end()
    sessions[id] = session
    try context.store.commit {
      $0.put(SessionRecord.prefix(id) + "record", written.json)
    } then: { [context] result in
      if case .failure(let error) = result {
        return context.fail(error.status, "session \(id) cannot be written down: \(error.message)")
      }
      session.keep(written) { session.goOn() }
    }
    return session
  }

  /// Answers as soon as it is known which sessions there are.
  public func answer<Answer>(
    _ reply: @escaping (Result<Answer, RoleError>) -> Void, _ body: @escaping () throws -> Answer
  ) {
    if let absence { return reply(.failure(absence)) }
    let ask = { [self] in
      if let absence { return reply(.failure(absence)) }
      reply(Result { try body() }.mapError { RoleError($0) })
    }
    if isLoaded { ask() } else { whenLoaded.append(ask) }
  }

  private func askWaiting() {
    let waiting = whenLoaded
    whenLoaded = []
    for ask in waiting { ask() }
  }

  // MARK: Another build

  public func saved() -> JSON {
    let running = sessions.values.filter { !$0.isOver && !$0.isIdle }
    return [
      "running": .array(running.map(\.id).sorted().map { .string($0) }),
      "trainers": .array(trainers.inOrder.map(\.seen)),
    ]
  }

  public func restore(_ saved: JSON) {
    handedOver = Set((saved["running"]?.array ?? []).compactMap(\.string))
    for seen in saved["trainers"]?.array ?? [] { trainers.remember(seen) }
  }
}
