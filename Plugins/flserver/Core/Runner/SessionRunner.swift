internal import NodeKit
internal import Tensors
internal import TrainerWire

/// Carries out what a ``Session`` says: asks trainers, keeps what they bring, makes models, and writes down how far it
/// is before anything is built on it.
final class SessionRunner {
  let id: String
  let document: SessionDocument
  private(set) var record: SessionRecord
  private(set) var session: Session
  private let context: RoleContext
  private let trainers: TrainerTable
  private let layout: TensorLayout
  private let form: UpdateForm
  private let aggregation: Aggregation
  private var calls: [UInt64: TrainerCall] = [:]
  /// Of the tickets that are open: how far, and how good.
  private(set) var progress: [UInt64: (share: Double, loss: Double)] = [:]
  /// The models of the last versions, as far as updates may still begin with them.
  private var models: [Int: ModelFile]
  private var isWriting = false
  private var todo: [SessionEffect] = []
  /// Told what happens, for the history.
  var tell: (JSON) -> Void = { _ in }
  var validate: (ModelFile, _ then: @escaping (ModelQuality?) -> Void) -> Void = { _, done in done(nil) }
  var whenEnded: (SessionEnd) -> Void = { _ in }

  /// - Parameter waiting: updates that the disk has and that are in no model.
  init(
    _ context: RoleContext, _ id: String, _ document: SessionDocument, _ record: SessionRecord, _ layout: TensorLayout,
    _ trainers: TrainerTable, waiting: [Update] = []
  ) throws {
    (self.context, self.id, self.document, self.record) = (context, id, document, record)
    (self.layout, self.trainers) = (layout, trainers)
    aggregation = try document.aggregation()
    do { form = try UpdateForm(document.sessionConfig.updateForm) } catch {
      throw RoleError(.invalidArgument, error.description, at: "/session_config/update_form")
    }
    session = Session(try document.plan(), version: record.version, waiting: waiting, lastTicket: record.lastTicket)
    models = [record.version: record.model]
  }

  private var now: Int64 { context.now.nanoseconds }
  private var prefix: String { "session/\(id)/" }

  /// Time has passed, or who is there has changed.
  func look() {
    happened(
      .candidates(
        trainers.candidates(dataSet: document.clientTrainingConfig.dataset, form: form.numbers.rawValue)))
  }

  func stop(_ why: String) { happened(.stop(why)) }

  private func happened(_ event: SessionEvent) {
    todo += session.handle(event, at: now)
    goOn()
  }

  /// One after the other, and nothing while the disk is waited for: what is done next may rest on it.
  private func goOn() {
    while !isWriting, !todo.isEmpty {
      switch todo.removeFirst() {
      case .train(let ticket): ask(ticket)
      case .cancel(let ticket, let why): cancel(ticket, why)
      case .step(let step): make(step)
      case .validate(let version): look(at: version)
      case .end(let end): finish(end)
      }
    }
  }

  private func write(_ build: @escaping (inout StoreCommit) -> Void, then: @escaping () -> Void) {
    isWriting = true
    let failed = { [self] (error: RoleError) in
      context.fail(error.status, "session \(id) cannot be written down: \(error.message)")
    }
    do {
      try context.store.commit {
        build(&$0)
      } then: { [self] result in
        isWriting = false
        if case .failure(let error) = result { return failed(error) }
        then()
        goOn()
      }
    } catch { failed(RoleError(error)) }
  }

  private func putRecord(_ commit: inout StoreCommit) { commit.put(prefix + "record", record.json) }

  // MARK: Trainers

  /// So many numbers of tickets are taken from the disk at a time.
  private static let ticketsAtOnce: UInt64 = 1000

  private func ask(_ ticket: Ticket) {
    guard ticket.number > record.lastTicket else { return begin(ticket) }
    record.lastTicket = ticket.number + Self.ticketsAtOnce
    write { [self] in
      putRecord(&$0)
    } then: { [self] in
      begin(ticket)
    }
  }

  private func begin(_ ticket: Ticket) {
    guard session.open[ticket.number] == ticket else { return }
    guard let trainer = trainers[ticket.trainer], let model = models[ticket.version] else {
      return happened(.failed(ticket: ticket.number, reason: "the trainer has gone"))
    }
    let call = TrainerCall(context, work(ticket, model)) { [weak self] share, loss in
      self?.progress[ticket.number] = (share, loss)
    } then: { [weak self] result in
      self?.answered(ticket, result)
    }
    calls[ticket.number] = call
    trainers[ticket.trainer]?.bytesSent += model.bytes
    call.begin(at: trainer.target)
  }

  private func work(_ ticket: Ticket, _ model: ModelFile) -> TrainerCall.Work {
    var task = TrainingTask()
    (task.session, task.ticket, task.version) = (id, ticket.number, UInt64(ticket.version))
    task.training = document.clientTrainingConfig.setting?.description ?? "{}"
    task.model = document.modelConfig.description.description
    (task.form, task.size, task.sha256) = (form.text, UInt64(model.bytes), model.object)
    task.seed = UInt64(session.plan.seed) ^ ticket.number << 20
    let left = max(1, ticket.deadline - now)
    return TrainerCall.Work(
      task: task, model: model, layout: layout, form: form, name: "\(prefix)\(ticket.number)",
      timeout: .nanoseconds(left))
  }

  private func answered(_ ticket: Ticket, _ result: Result<TrainerCall.Arrival, RoleError>) {
    calls[ticket.number] = nil
    progress[ticket.number] = nil
    switch result {
    case .failure(let error):
      guard error.status != .cancelled else { return }
      trainers[ticket.trainer]?.failures += 1
      trainers[ticket.trainer]?.lastFailure = error.message
      context.log.warning("session \(id): \(ticket.trainer) brings no update of version \(ticket.version): \(error)")
      happened(.failed(ticket: ticket.number, reason: error.message))
    case .success(let arrival): keep(arrival, of: ticket)
    }
  }

  private func keep(_ arrival: TrainerCall.Arrival, of ticket: Ticket) {
    trainers[ticket.trainer]?.successes += 1
    trainers[ticket.trainer]?.bytesReceived += arrival.bytes
    trainers[ticket.trainer]?.took(arrival.seconds)
    trainers[ticket.trainer]?.loss = arrival.quality.loss
    // Late: the ticket is closed.
    guard session.open[ticket.number] == ticket else { return remove(arrival.file.object) }
    let update = Update(
      ticket: ticket.number, trainer: ticket.trainer, version: ticket.version, group: ticket.group,
      object: arrival.file.object, start: arrival.file.start, samples: arrival.quality.samples,
      loss: arrival.quality.loss)
    do {
      try context.store.commit { [self] in
        $0.put(updateKey(update.ticket), update.json)
      } then: { [self] result in
        if case .failure(let error) = result {
          return context.fail(error.status, "an update of session \(id) cannot be written down: \(error.message)")
        }
        happened(.stored(update))
      }
    } catch { happened(.failed(ticket: ticket.number, reason: "\(error)")) }
  }

  private func updateKey(_ ticket: UInt64) -> String { "\(prefix)update/\(ticket)" }

  private func cancel(_ ticket: Ticket, _ why: String) {
    calls.removeValue(forKey: ticket.number)?.cancel()
    progress[ticket.number] = nil
    tell(["event": "cancelled", "trainer": .string(ticket.trainer), "why": .string(why)])
  }

  /// Objects have the name of what is in them, so two updates, or an update and a model, can be the same one.
  private func remove(_ object: String) {
    let isUsed =
      models.values.contains { $0.object == object } || session.waiting.contains { $0.object == object }
      || record.moments?.object == object
    if !isUsed { try? context.blobs.remove(object) { _ in } }
  }

  // MARK: Models

  private func make(_ step: Step) {
    guard let base = models[session.version] else { return }
    let sources = step.updates.map { update in
      Combiner.Source(
        file: ModelFile(object: update.object, start: update.start, count: layout.count), samples: update.samples,
        age: session.version - update.version, base: models[update.version])
    }
    let began = now
    Combiner(
      context, aggregation, base: base, moments: record.moments, sources: sources,
      name: "\(prefix)model-\(step.version)"
    ).run { [self] result in
      switch result {
      case .success(let made): keep(made, of: step, took: now - began)
      case .failure(let error): happened(.stepFailed(error.message))
      }
    }
  }

  private func keep(_ made: Combiner.Made, of step: Step, took: Int64) {
    let oldMoments = record.moments
    (record.version, record.model, record.moments) = (step.version, made.model, made.moments)
    models[step.version] = made.model
    write { [self] commit in
      putRecord(&commit)
      for update in step.updates { commit.delete(updateKey(update.ticket)) }
    } then: { [self] in
      forgetOldModels()
      tell([
        "event": "model", "version": .int(Int64(step.version)), "updates": .int(Int64(step.updates.count)),
        "samples": .int(Int64(step.updates.reduce(0) { $0 + $1.samples })), "ms": .int(took / 1_000_000),
      ])
      happened(.stepped(version: step.version))
      for update in step.updates { remove(update.object) }
      if let oldMoments { remove(oldMoments.object) }
    }
  }

  /// All but those of checkpoints, and those that updates may still rest on.
  private func forgetOldModels() {
    let keeps = session.plan.pace == .synchronous ? 1 : session.plan.stalenessLimit + 1
    for version in models.keys where version <= record.version - keeps {
      let old = models.removeValue(forKey: version)!
      let isCheckpoint = version % document.sessionConfig.checkpointInterval == 0
      if !isCheckpoint { remove(old.object) }
    }
  }

  private func look(at version: Int) {
    guard let model = models[version] else { return }
    validate(model) { [self] quality in
      if let quality {
        tell([
          "event": "validated", "version": .int(Int64(version)), "loss": .double(quality.loss),
          "accuracy": quality.accuracy.map { .double($0) } ?? .null, "samples": .int(Int64(quality.samples)),
        ])
      }
      happened(.validated(version: version, accuracy: quality?.accuracy, loss: quality?.loss))
    }
  }

  private func finish(_ end: SessionEnd) {
    record.end = end.words
    write { [self] in
      putRecord(&$0)
    } then: { [self] in
      tell(["event": "ended", "how": .string(end.words)])
      whenEnded(end)
    }
  }
}

extension SessionEnd {
  var words: String {
    switch self {
    case .finished: "finished"
    case .reached(let accuracy): "reached an accuracy of \(JSON.double(accuracy))"
    case .stopped(let why): "stopped: \(why)"
    case .failed(let why): "failed: \(why)"
    }
  }
}
