internal import NodeKit
internal import Tensors
internal import TrainerWire

/// Learns how fast each trainer is before the first round: all train a few batches, and what they bring is thrown away.
final class SpeedTrial {
  private let context: RoleContext
  private let trainers: TrainerTable
  private let document: SessionDocument
  private let model: ModelFile
  private let layout: TensorLayout
  private let task: TrainingTask
  private let feeds: ModelFeeds
  private var open: [String: TrainerCall] = [:]
  private var hasAsked = false
  private var done: (() -> Void)?
  private var tell: (JSON) -> Void = { _ in }
  private var deadline: Timer?

  init(
    _ context: RoleContext, _ trainers: TrainerTable, _ document: SessionDocument, _ model: ModelFile,
    _ layout: TensorLayout, _ task: TrainingTask
  ) {
    (self.context, self.trainers, self.document) = (context, trainers, document)
    (self.model, self.layout, self.task) = (model, layout, task)
    feeds = ModelFeeds(context.blobs)
  }

  func run(tell: @escaping (JSON) -> Void, then done: @escaping () -> Void) {
    (self.tell, self.done) = (tell, done)
    look()
  }

  /// It begins when somebody is there.
  func look() {
    guard !hasAsked, done != nil else { return }
    let candidates = trainers.candidates(dataSet: document.clientTrainingConfig.dataset, form: UpdateForm.plain.text)
    guard !candidates.isEmpty else { return }
    hasAsked = true
    let limit = Duration.nanoseconds(Int64(document.benchmarkConfig.timeoutDurationS * 1e9))
    do { deadline = try context.timer.once(after: limit) { [self] in stop(andGoOn: true) } } catch {
      return stop(andGoOn: true)
    }
    for (number, candidate) in candidates.enumerated() { ask(candidate, UInt64(number) + 1, limit) }
  }

  private func ask(_ candidate: Candidate, _ number: UInt64, _ limit: Duration) {
    guard let trainer = trainers[candidate.id] else { return }
    var task = task
    // Tickets of rounds are smaller by far.
    task.ticket = 1 << 62 | number
    (task.batches, task.form) = (UInt64(document.benchmarkConfig.benchMinibatchCount), UpdateForm.plain.text)
    let work = TrainerCall.Work(
      task: task, model: model, feed: feeds.feed(of: model.object), layout: layout, form: .plain,
      name: "\(task.session)/trial-\(candidate.id)", timeout: limit)
    let call = TrainerCall(context, work) { [weak self] result in self?.answered(candidate, result) }
    open[candidate.id] = call
    call.begin(at: trainer.target)
  }

  private func answered(_ candidate: Candidate, _ result: Result<TrainerCall.Arrival, RoleError>) {
    guard open.removeValue(forKey: candidate.id) != nil else { return }
    switch result {
    case .success(let arrival):
      // A round has as many batches as the data; without epochs, this was all of it.
      let client = document.clientTrainingConfig
      let batches = Double((candidate.samples + client.batchSize - 1) / client.batchSize * client.epochs)
      let timed = Double(document.benchmarkConfig.benchMinibatchCount)
      let seconds = arrival.seconds * max(1, batches / timed)
      trainers[candidate.id]?.seconds = seconds
      tell(["event": "timed", "trainer": .string(candidate.id), "seconds": .double(seconds)])
      if arrival.file.object != model.object { try? context.blobs.remove(arrival.file.object) { _ in } }
    case .failure(let error):
      trainers[candidate.id]?.failed(error.message)
      tell(["event": "failed", "trainer": .string(candidate.id), "why": .string(error.description)])
    }
    if open.isEmpty { stop(andGoOn: true) }
  }

  func stop(andGoOn: Bool = false) {
    deadline?.cancel()
    let calls = open.values
    open = [:]
    for call in calls { call.cancel() }
    let done = done
    self.done = nil
    if andGoOn { done?() }
  }
}
