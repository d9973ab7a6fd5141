internal import NodeKit
internal import Tensors
internal import TrainerWire

/// Carries out what a ``Session`` says: asks trainers, keeps what they bring, makes models, and writes down how far it
/// is before anything is built on it.
final class SessionRunner {
  let id: String
  let document: SessionDocument
  var record: SessionRecord
  /// The last record that this server's disk has, and those of who may succeed it: what others may learn of.
  private(set) var kept: SessionRecord
  private(set) var session: Session
  let context: RoleContext
  let trainers: TrainerTable
  let layout: TensorLayout
  let form: UpdateForm
  let aggregation: Aggregation
  /// What trainers are told to train.
  let modelText: String
  var calls: [UInt64: TrainerCall] = [:]
  /// Of the tickets that are open: how far, and how good.
  var progress: [UInt64: (share: Double, loss: Double)] = [:]
  /// Objects that are not needed when the record is on the disk.
  var outdated: [String] = []
  /// The same in memory, where updates are differences.
  let bases: BaseModels
  let feeds: ModelFeeds
  /// Rounds of which only the sum is seen.
  private(set) var secure: SecureSession?
  var ledger: PrivacyLedger?
  /// How many trainers were asked for the version that is made now.
  var asked = 0
  /// Updates on the disk that are of no use: too old, or masked in a round that was cut off.
  private var stale: [Update] = []
  private var isWriting = false
  private var isGoingOn = false
  private var todo: [SessionEffect] = []
  /// Another goes on with the session.
  private var isGone = false
  /// Where servers succeed one another.
  var stamp: (inout SessionRecord) -> Void = { _ in }
  var keep: (SessionRecord, _ then: @escaping () -> Void) -> Void = { $1() }
  /// Told what happens, for the history.
  var tell: (JSON) -> Void = { _ in }
  var validate: (ModelFile, _ then: @escaping (ModelQuality?) -> Void) -> Void = { _, done in done(nil) }
  var whenEnded: (SessionEnd) -> Void = { _ in }

  /// - Parameter waiting: updates that the disk has and that are in no model.
  init(
    _ context: RoleContext, _ id: String, _ document: SessionDocument, _ record: SessionRecord, _ layout: TensorLayout,
    _ trainers: TrainerTable, modelText: String, waiting: [Update] = []
  ) throws {
    (self.context, self.id, self.document, self.record, kept) = (context, id, document, record, record)
    (self.layout, self.trainers, self.modelText) = (layout, trainers, modelText)
    aggregation = try document.aggregation()
    form = try document.form()
    bases = BaseModels(context.blobs, layout)
    feeds = ModelFeeds(context.blobs)
    let plan = try document.plan()
    #if BROKEN_RESUMES_OLDER
      self.record.recent[record.version] = record.recent[record.version - 1] ?? record.model
    #endif
    session = Session(
      plan, version: record.version, waiting: plan.isSecure ? [] : waiting, lastTicket: record.lastTicket)
    ledger = PrivacyLedger(document)
    try ledger?.restore(record.privacy)
    stale = waiting.filter { update in !session.waiting.contains { $0.ticket == update.ticket } }
    if plan.isSecure {
      secure = SecureSession(context, id, document, trainers, count: layout.count)
      secure?.train = { [weak self] in self?.begin($0) }
      secure?.failed = { [weak self] in self?.answered($0, .failure($1)) }
    }
  }

  var now: Int64 { context.now.nanoseconds }
  var prefix: String { SessionRecord.prefix(id) }

  /// Time has passed, or who is there has changed.
  func look() {
    if !stale.isEmpty {
      let old = stale
      stale = []
      discard(old)
    }
    happened(.candidates(trainers.candidates(for: document)))
  }

  func stop(_ why: String) { happened(.stop(why)) }

  /// Without an end.
  func letGo() {
    isGone = true
    for call in calls.values { call.cancel() }
    calls = [:]
  }

  func happened(_ event: SessionEvent) {
    guard !isGone else { return }
    todo += session.handle(event, at: now)
    goOn()
  }

  /// One after the other, and nothing while the disk is waited for: what is done next may rest on it.
  private func goOn() {
    // What is done may fail at once, and then happens within: many calls that do must not go deeper and deeper.
    guard !isGoingOn else { return }
    isGoingOn = true
    defer { isGoingOn = false }
    while !isWriting, !todo.isEmpty {
      switch todo.removeFirst() {
      case .choose(let group, let candidates, let round): choose(group, candidates, round)
      case .train(let ticket): ask(ticket)
      case .cancel(let ticket, let why): cancel(ticket, why)
      case .step(let step): make(step)
      case .validate(let version): look(at: version)
      case .discard(let updates): discard(updates)
      case .end(let end): finish(end)
      }
    }
    // All of a round have been asked for.
    if !isWriting { secure?.begin() }
  }

  func write(_ build: @escaping (inout StoreCommit) -> Void, then: @escaping () -> Void) {
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

  /// The record, with what belongs to it; `then` comes when those who may succeed this server have it, too.
  func writeRecord(_ more: @escaping (inout StoreCommit) -> Void = { _ in }, then: @escaping () -> Void) {
    stamp(&record)
    let written = record
    write { [self] in
      $0.put(prefix + "record", written.json)
      more(&$0)
    } then: { [self] in
      isWriting = true
      keep(written) { [self] in
        guard !isGone else { return }
        (isWriting, kept) = (false, written)
        then()
        goOn()
      }
    }
  }

  /// Objects have the name of what is in them, so two updates, or an update and a model, can be the same one.
  func remove(_ object: String) {
    let isUsed =
      session.waiting.contains { $0.object == object }
      || record.uses(object)
    if !isUsed { try? context.blobs.remove(object) { _ in } }
  }

  private func choose(_ group: Int, _ candidates: [Candidate], _ round: Int) {
    guard let role = session.plan.chooser else { return }
    let request: JSON = [
      "session": .string(id), "round": .int(Int64(round)), "seed": .int(Int64(session.plan.seed)),
      "arguments": document.sessionConfig.clientSelectionArgs.setting ?? .null,
      "candidates": .array(candidates.map(\.json)),
    ]
    do {
      try context.roles.call(role, "choose", request) { [self] (answer: Result<JSON, RoleError>) in
        switch answer {
        case .success(let json): happened(.chosen(group: group, (json.array ?? []).compactMap(\.string)))
        case .failure(let error):
          context.log.warning("session \(id): the role \(role) does not choose: \(error.message)")
          happened(.chosen(group: group, nil))
        }
      }
    } catch { happened(.chosen(group: group, nil)) }
  }

  private func finish(_ end: SessionEnd) {
    record.end = end.words
    writeRecord { [self] in
      tell(["event": "ended", "how": .string(end.words)])
      whenEnded(end)
    }
  }
}

extension Candidate {
  /// As a role gets it that chooses.
  var json: JSON {
    [
      "id": .string(id), "samples": .int(Int64(samples)), "seconds": seconds.map { .double($0) } ?? .null,
      "loss": loss.map { .double($0) } ?? .null, "successes": .int(Int64(successes)),
      "failures": .int(Int64(failures)), "labels": .array(labels.map { .double($0) }),
      "capabilities": .array(capabilities.sorted().map { .string($0) }),
    ]
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
