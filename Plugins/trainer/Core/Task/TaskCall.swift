internal import NodeKit
internal import TrainerWire

/// One call of a server: a task comes, then its model; when it is its turn it is worked on, and what has come of it
/// goes back.
final class TaskCall {
  /// What it needs of the role.
  struct Desk {
    var context: RoleContext
    var settings: TrainerSettings
    /// Throws if the task cannot be done here.
    var understand: (TrainingTask) throws -> TrainingOrder
    /// A model that came before.
    var kept: (_ digest: String) -> [UInt8]?
    /// Memory of a model that makes way for one of so many bytes, if one does.
    var room: (_ size: Int) -> [UInt8]
    /// All is there: it may be worked on when it is its turn.
    var ready: (TaskCall) -> Void
    var ended: (TaskCall, _ error: RoleError?) -> Void
  }

  enum Stage {
    case listening
    case receiving(TrainingOrder, ModelIntake)
    case waiting(TrainingOrder, [UInt8])
    case working(PoolJob, JobProgress)
    case sending(UpdateSender)
    case over
  }

  let purpose: TrainingJob.Purpose
  private(set) var stage = Stage.listening
  private(set) var order: TrainingOrder?
  /// The model came in this call.
  private(set) var modelIsNew = true
  private let call: RpcServerCall
  private let desk: Desk
  private var timer: Timer?
  private var deadline: Timer?
  private var told = JobProgress.State()
  private var began: Moment?

  init(_ call: RpcServerCall, _ purpose: TrainingJob.Purpose, _ desk: Desk) {
    (self.call, self.purpose, self.desk) = (call, purpose, desk)
  }

  func begin() {
    call.whenEnded { [self] error in
      // The engine sees it after the batch that it is at.
      if case .working(let job, _) = stage { job.cancel() }
      end(error)
    }
    call.receive { [self] in
      take($0)
    } last: { [self] in
      last()
    }
  }

  func fail(_ error: any Error) {
    if case .over = stage { return }
    let error = RoleError(error)
    try? call.fail(error)
    end(error)
  }

  private func end(_ error: RoleError?) {
    if case .over = stage { return }
    stage = .over
    timer?.cancel()
    deadline?.cancel()
    desk.ended(self, error)
  }

  // MARK: In

  private func take(_ bytes: [UInt8]) {
    do {
      switch (try TrainingRequest(bytes), stage) {
      case (.task(let task), .listening): try begin(task)
      case (.task, _): throw RoleError(.invalidArgument, "two tasks came in one call; send each in its own")
      case (.piece, .listening): throw RoleError(.invalidArgument, "a piece of a model came before its task")
      case (.piece(let piece), .receiving(let order, let model)):
        if let whole = try model.add(piece) { becomeReady(order, whole) }
      // It was here already.
      case (.piece, _): break
      }
    } catch { fail(error) }
  }

  private func begin(_ task: TrainingTask) throws {
    let order = try desk.understand(task)
    self.order = order
    guard let model = desk.kept(task.digest), model.count == Int(task.size) else {
      stage = .receiving(order, ModelIntake(size: Int(task.size), in: desk.room(Int(task.size))))
      return
    }
    modelIsNew = false
    if purpose == .train { _ = try call.send(TrainingAnswer.have.bytes) }
    becomeReady(order, model)
  }

  private func becomeReady(_ order: TrainingOrder, _ model: [UInt8]) {
    stage = .waiting(order, model)
    desk.ready(self)
  }

  private func last() {
    switch stage {
    case .listening: fail(RoleError(.invalidArgument, "the call ended before a task came"))
    case .receiving(let order, let model):
      fail(
        RoleError(
          .invalidArgument, "\(model.bytes.count) bytes of the model came, and \(order.task.size) were announced"))
    default: break
    }
  }

  // MARK: Work

  func work(_ job: TrainingJob, then done: @escaping (Result<TrainingJob.Outcome, RoleError>) -> Void) throws {
    began = desk.context.now
    let submitted = try desk.context.work.run {
      try job.run($0)
    } then: {
      done($0)
    }
    stage = .working(submitted, job.progress)
    let asked = Duration.nanoseconds(Int64((order?.settings.trainTimeoutDurationS ?? 86_400) * 1e9))
    deadline = try desk.context.timer.once(after: min(asked, desk.settings.longest)) { [unowned self] in
      submitted.cancel()
      fail(RoleError(.deadlineExceeded, "it was not done in \(min(asked, desk.settings.longest))"))
    }
    guard purpose == .train else { return }
    timer = try desk.context.timer.every(desk.settings.progress) { [unowned self] in tellProgress(job.progress.now) }
  }

  /// If the server does not read, the next one tells it.
  private func tellProgress(_ state: JobProgress.State) {
    guard state != told, state.of > 0, case .working = stage else { return }
    told = state
    _ = try? call.send(
      TrainingAnswer.progress(batches: UInt64(state.batches), of: UInt64(state.of), loss: state.loss).bytes)
  }

  /// Since the work on it began.
  var seconds: Double {
    guard let began else { return 0 }
    return Double(began.duration(to: desk.context.now).nanoseconds) / 1e9
  }

  func answer(_ outcome: TrainingJob.Outcome, sent: @escaping () -> Void) {
    guard case .working = stage else { return }
    timer?.cancel()
    guard purpose == .train else {
      do {
        try call.answer(outcome.quality.bytes)
        return end(nil)
      } catch { return fail(error) }
    }
    let head = TrainingAnswer.update(outcome.quality, size: UInt64(outcome.update.count), seconds: seconds)
    let sender = UpdateSender(call, head, outcome.update) { [unowned self] error in
      if let error { return fail(error) }
      sent()
      end(nil)
    }
    stage = .sending(sender)
    sender.goOn()
  }
}
