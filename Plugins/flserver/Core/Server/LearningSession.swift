internal import NodeKit
internal import Tensors
internal import TrainerWire
internal import Training

/// One session, from the document that somebody has sent to its end.
final class LearningSession {
  enum Stage: Equatable {
    /// The disk has it, and nobody has asked for it since.
    case idle
    /// Its first model is made, or its last one is looked for on the disk.
    case beginning
    /// Trainers are timed.
    case timing
    case running
    case over(String)
  }

  let id: String
  let document: SessionDocument
  let history: SessionHistory
  private(set) var stage = Stage.beginning
  private(set) var record: SessionRecord?
  private(set) var runner: SessionRunner?
  let choice: ModelChoice
  private let context: RoleContext
  private let trainers: TrainerTable
  private let tester: ModelTester
  private let modelLimit: Int
  private let succession: Succession?
  private var timing: SpeedTrial?
  private var timeout: Timer?
  /// Told once, when it is over.
  var whenOver: [(String) -> Void] = []

  init(
    _ context: RoleContext, _ id: String, _ document: SessionDocument, _ history: SessionHistory,
    _ trainers: TrainerTable, _ tester: ModelTester, modelLimit: Int,
    succession: Succession? = nil, record: SessionRecord? = nil
  ) throws {
    self.succession = succession
    (self.context, self.id, self.document, self.history) = (context, id, document, history)
    (self.trainers, self.tester, self.modelLimit, self.record) = (trainers, tester, modelLimit, record)
    choice = try ModelChoice(document)
    _ = try (document.plan(), document.form())
    try tester.check(document.serverTrainingConfig.validationDataset, choice.description)
    if let record, !record.end.isEmpty { stage = .over(record.end) } else if record != nil { stage = .idle }
  }

  var isOver: Bool {
    if case .over = stage { return true }
    return false
  }

  var isIdle: Bool { stage == .idle }

  /// How it stands, in a word or in those of its end.
  var words: String {
    switch stage {
    case .idle: "interrupted"
    case .beginning: "beginning"
    case .timing: "timing the trainers"
    case .running: "running"
    case .over(let words): words
    }
  }

  /// What may be shown: nothing of it goes back, whatever happens next.
  var shown: SessionRecord? { runner?.kept ?? record }
  var version: Int { shown?.version ?? 0 }
  var rounds: Int { document.serverTrainingConfig.numTrainingRounds }
  var newest: ModelFile? { shown?.model }

  func model(_ version: Int) -> ModelFile? {
    guard let shown else { return nil }
    return version == shown.version ? shown.model : shown.checkpoints[version]
  }

  // MARK: Beginning

  /// Begins it anew. `done` comes when the disk has it, or with why it never will.
  func begin(then done: @escaping (RoleError?) -> Void) {
    func attempt(_ body: () throws -> Void) {
      do { try body() } catch { done(RoleError(error)) }
    }
    attempt {
      try FirstModel.make(
        context, choice, document, name: SessionRecord.prefix(id) + "model-0", limit: modelLimit
      ) { [self] made in
        attempt {
          let (model, layout) = try made.get()
          let began = context.timeSince1970.nanoseconds / 1_000_000
          var record = SessionRecord(document: document.setting ?? .null, model: model, began: began)
          succession?.stamp(&record)
          let first = record
          try context.store.commit { [self] in
            $0.put(SessionRecord.prefix(id) + "record", first.json)
          } then: { [self] written in
            attempt {
              _ = try written.get()
              keep(first) { [self] in
                self.record = first
                history.add([
                  "event": "started", "model": .string(model.object), "parameters": .int(Int64(model.count)),
                  "rounds": .int(Int64(rounds)),
                ])
                done(nil)
                time(first, layout)
              }
            }
          }
        }
      }
    }
  }

  func keep(_ record: SessionRecord, then done: @escaping () -> Void) {
    if let succession { succession.keep(id, record, then: done) } else { done() }
  }

  /// Goes on from what the disk has.
  func goOn() {
    guard let record else { return }
    stage = .beginning
    attempt {
      try ObjectReader.layout(context.blobs, of: record.model) { [self] layout in
        attempt { try findUpdates(record, layout.get()) }
      }
    }
  }

  private func findUpdates(_ record: SessionRecord, _ layout: TensorLayout) throws {
    var waiting: [Update] = []
    try context.store.scan(prefix: SessionRecord.prefix(id) + "update/") { (stored: Stored<JSON>) in
      waiting.append(try Update(stored.value))
    } then: { [self] scanned in
      attempt {
        _ = try scanned.get()
        history.add([
          "event": "resumed", "version": .int(Int64(record.version)), "updates": .int(Int64(waiting.count)),
        ])
        try run(record, layout, waiting)
      }
    }
  }

  /// What goes wrong ends the session with an error, and not the role.
  private func attempt(_ body: () throws -> Void) {
    guard !isOver else { return }
    do { try body() } catch { over("failed: \(RoleError(error))", isWritten: false) }
  }

  // MARK: Running

  private func time(_ record: SessionRecord, _ layout: TensorLayout) {
    guard !document.benchmarkConfig.skipBenchmark else { return attempt { try run(record, layout, []) } }
    stage = .timing
    let trial = SpeedTrial(
      context, trainers, document, record.model, layout, document.task(id, choice.text, record.model))
    timing = trial
    trial.run(tell: history.add) { [self] in
      timing = nil
      attempt { try run(record, layout, []) }
    }
  }

  private func run(_ record: SessionRecord, _ layout: TensorLayout, _ waiting: [Update]) throws {
    let runner = try SessionRunner(
      context, id, document, record, layout, trainers, modelText: choice.text, waiting: waiting)
    runner.tell = { [history] in history.add($0) }
    runner.validate = { [unowned self] model, done in validate(model, layout, done) }
    if let succession {
      runner.stamp = { succession.stamp(&$0) }
      runner.keep = { [id] in succession.keep(id, $0, then: $1) }
    }
    runner.whenEnded = { [unowned self] end in over(end.words, isWritten: true) }
    self.runner = runner
    stage = .running
    let limit = document.serverTrainingConfig.globalTimeoutDurationS
    if limit > 0 {
      timeout = try context.timer.once(after: .nanoseconds(Int64(limit * 1e9))) { [unowned self] in
        self.runner?.stop("its time of \(limit) s is over")
      }
    }
    runner.look()
  }

  private func validate(_ model: ModelFile, _ layout: TensorLayout, _ done: @escaping (ModelQuality?) -> Void) {
    let server = document.serverTrainingConfig
    guard !server.validationDataset.isEmpty, let description = choice.description else { return done(nil) }
    tester.test(
      model, layout, description, on: server.validationDataset, batch: server.globalModelValidationBatchSize
    ) { [self] result in
      switch result {
      case .success(let quality): done(quality)
      case .failure(let error):
        context.log.warning("session \(id): its model cannot be tried: \(error)")
        history.add(["event": "not_validated", "why": .string(error.description)])
        done(nil)
      }
    }
  }

  /// Who is there has changed, or time has passed.
  func look() {
    if stage == .running { runner?.look() }
    if stage == .timing { timing?.look() }
  }

  // MARK: Ending

  func stop(_ why: String) {
    if let runner, stage == .running { return runner.stop(why) }
    timing?.stop()
    over("stopped: \(why)", isWritten: false)
  }

  /// Without an end: another server goes on.
  func letGo() {
    timing?.stop()
    timeout?.cancel()
    runner?.letGo()
    history.end()
  }

  private func over(_ words: String, isWritten: Bool) {
    guard !isOver else { return }
    stage = .over(words)
    timeout?.cancel()
    record = runner?.record ?? record
    record?.end = words
    runner = nil
    context.log.info("session \(id): \(words), after \(version) of \(rounds) rounds")
    if isWritten { return tellEnd(words) }
    history.add(["event": "ended", "how": .string(words)])
    guard var ended = record else { return tellEnd(words) }
    succession?.stamp(&ended)
    let written = ended
    record = written
    do {
      try context.store.commit {
        $0.put(SessionRecord.prefix(id) + "record", written.json)
      } then: { [self] result in
        if case .failure(let error) = result {
          return context.fail(error.status, "the end of session \(id) cannot be written down: \(error.message)")
        }
        keep(written) { [self] in tellEnd(words) }
      }
    } catch { context.fail(.internal, "the end of session \(id) cannot be written down: \(error)") }
  }

  private func tellEnd(_ words: String) {
    let told = whenOver
    whenOver = []
    for tell in told { tell(words) }
  }
}
