package import NodeKit
internal import Privacy
internal import SecureSum
internal import Tensors
internal import TrainerWire
internal import Training

/// The role that trains models of federated learning on data that stays here: it serves trainer.proto to servers, who
/// send a model and settings, and get an update back.
///
/// A call is a `TaskCall`; `TrainingJob` is what it asks of the CPU pool. Tasks are done one after the other: two at a
/// time would take twice the memory and be no sooner.
package final class Trainer: Role {
  package static let about = About(
    "trainer", version: "1.0.0", "Trains models of federated learning on data that stays on this node.")
  package static let needs: [Need] = [.timer, .metrics, .random, .work, .rpc, .blob, .roles, .store]
  package static let methods = [
    Method(
      "status()", "The data sets, what is trained now, what waits, and what was done since the start.",
      idempotent: true, status)
  ]

  private let context: RoleContext
  private let settings: TrainerSettings
  private let data = DataShelf()
  private var models: ModelShelf
  private let room: EngineRoom
  private var feedback: ErrorFeedback
  private let rounds: SecureRounds
  private let gossip: GossipLearner?
  private var tasks: [ObjectIdentifier: TaskCall] = [:]
  private var queue: [TaskCall] = []
  private var atWork: TaskCall?
  private var measures: TrainerMeasures!
  private var kernels = ""

  package init(_ context: RoleContext, _ config: TrainerSettings) throws {
    try config.check()
    (self.context, settings) = (context, config)
    models = ModelShelf(limit: config.keptBytes)
    room = EngineRoom(limit: config.keptBytes)
    feedback = ErrorFeedback(limit: config.sessions)
    rounds = SecureRounds(context)
    // Its settings are read even if there is nothing to do, so that what is wrong in them is said.
    let learner = try GossipLearner(context, config.gossip, data, threads: config.threads)
    gossip = config.gossip.rounds > 0 ? learner : nil
  }

  package func start() throws {
    measures = TrainerMeasures(context.metrics)
    try data.read(settings.data, heldOut: settings.heldOut, isProgram: program != nil, context)
    try context.work.run { _ in
      // The smallest that there is: only how it would compute is asked.
      let model = ModelDescription(input: SampleShape(1), layers: [.dense(units: 1, bias: false)])
      return try TrainingEngine(model, batch: 1).kernels
    } then: { [self] in
      kernels = (try? $0.get()) ?? ""
    }
    try context.rpc.unary(TrainerMethod.describe) { [unowned self] call, _ in
      try data.whenRead { [self] in describe(call) }
    }
    try context.rpc.unary(TrainerMethod.secure) { [unowned self] call, request in
      rounds.answer(request) { result in
        do { try call.answer(result.get()) } catch { try? call.fail(RoleError(error)) }
      }
    }
    try gossip?.start()
    try context.rpc.stream(TrainerMethod.train) { [unowned self] in try take($0, .train) }
    try context.rpc.stream(TrainerMethod.validate) { [unowned self] in try take($0, .validate) }
    try context.rpc.describe(trainerDescriptors)
  }

  private var program: TrainingProgram? { settings.engine == .process ? TrainingProgram(words: settings.program) : nil }

  // MARK: What there is

  private var name: String { settings.name.isEmpty ? context.nodeName : settings.name }

  private func describe(_ call: RpcServerCall) {
    var description = TrainerDescription()
    description.name = name
    description.hardware = hardware
    description.dataSets = data.entries.compactMap { id, entry in
      guard case .there(let data) = entry else { return nil }
      return .init(id: id, samples: data.samples, labels: settings.tellsLabels ? data.labels : [])
    }
    description.models = ModelDescription.shipped.map(\.name)
    description.forms = UpdateForm.Numbers.allCases.map(\.rawValue)
    description.capabilities = settings.capabilities
    do { try call.answer(description.bytes) } catch {
      context.log.debug("a description has nobody to go to: \(RoleError(error))")
    }
  }

  private var hardware: String {
    let threads = settings.threads == 1 ? "1 thread" : "\(settings.threads) threads"
    return "\(threads), \(settings.engine == .process ? settings.program[0] : kernels)"
  }

  package func status() -> JSON {
    var now = JSON.null
    if let order = atWork?.order, case .working(_, let progress) = atWork?.stage {
      let state = progress.now
      now = [
        "session": .string(order.task.session), "ticket": JSON(order.task.ticket),
        "version": JSON(order.task.version), "for": .string(atWork?.purpose == .train ? "training" : "validation"),
        "batches": JSON(state.batches), "of": JSON(state.of), "loss": .double(state.loss),
      ]
    }
    return [
      "name": .string(name), "engine": .string(settings.engine.rawValue), "kernels": .string(kernels),
      "data": data.json, "now": now, "waiting": JSON(queue.count), "open": JSON(tasks.count),
      "models_kept": JSON(models.models.count), "trained": JSON(measures.trained), "tried": JSON(measures.tried),
      "failed": JSON(measures.failed), "last_failure": .string(measures.lastFailure), "gossip": gossip?.json ?? .null,
    ]
  }

  // MARK: Tasks

  private func take(_ call: RpcServerCall, _ purpose: TrainingJob.Purpose) throws {
    guard tasks.count < settings.tasks else {
      throw RoleError(
        .resourceExhausted, "\(tasks.count) tasks are here already; ask again later, or raise the trainer's `tasks`")
    }
    let desk = TaskCall.Desk(
      context: context, settings: settings,
      understand: { [unowned self] in
        let order = try TrainingOrder(
          $0, modelLimit: settings.modelBytes, memoryLimit: program == nil ? settings.memoryBytes : nil)
        guard purpose == .validate || !settings.onlySecure || !$0.secureRound.isEmpty else {
          throw RoleError(
            .permissionDenied, "this trainer gives its updates to secure sums only; set secure_aggregation",
            at: "/session_config/secure_aggregation")
        }
        if !data.isReading { _ = try data.data(order.settings.dataset) }
        return order
      },
      kept: { [unowned self] in models.take($0) },
      room: { [unowned self] in models.room(for: $0) },
      ready: { [unowned self] task in
        queue.append(task)
        do { try data.whenRead { [self] in next() } } catch { task.fail(error) }
      },
      ended: { [unowned self] in ended($0, $1) })
    let task = TaskCall(call, purpose, desk)
    tasks[ObjectIdentifier(task)] = task
    measures.open.set(Double(tasks.count))
    task.begin()
  }

  private func ended(_ task: TaskCall, _ error: RoleError?) {
    tasks[ObjectIdentifier(task)] = nil
    queue.removeAll { $0 === task }
    measures.open.set(Double(tasks.count))
    measures.ended(task.purpose, error, seconds: task.seconds)
    let words = task.order.map { "ticket \($0.task.ticket) of session \($0.task.session)" } ?? "a call"
    switch error {
    case nil: context.log.debug("\(words) is done")
    case let error? where error.status == .cancelled: context.log.info("\(words) was given up by the server")
    case let error?: context.log.warning("\(words) failed: \(error)")
    }
  }

  private func next() {
    guard atWork == nil, let task = queue.first, case .waiting(let order, let model) = task.stage else { return }
    queue.removeFirst()
    do {
      let residual = feedback.residual(order.task.session, order.form.text, ticket: order.task.ticket)
      var job = TrainingJob(
        purpose: task.purpose, order: order, model: model, data: try data.data(order.settings.dataset),
        threads: settings.threads, room: room, program: program, residual: residual, isNew: task.modelIsNew)
      if !order.task.secureRound.isEmpty { job.masking = try rounds.takeMasking(of: order.task.secureRound) }
      if order.settings.noiseMultiplier > 0 { job.noiseSeed = try context.random.bytes(GaussianNoise.seedSize) }
      atWork = task
      try task.work(job) { [unowned self] result in
        // The place is free when the job is, which may be after its call.
        atWork = nil
        done(task, order, model, result)
        next()
      }
    } catch {
      atWork = nil
      task.fail(error)
      next()
    }
  }

  private func done(
    _ task: TaskCall, _ order: TrainingOrder, _ model: [UInt8], _ result: Result<TrainingJob.Outcome, RoleError>
  ) {
    switch result {
    case .failure(let error): task.fail(error)
    case .success(let outcome):
      models.keep(order.task.digest, model)
      if case .train = task.purpose { measures.samples.add(Double(outcome.quality.samples)) }
      task.answer(outcome) { [unowned self] in
        feedback.sent(order.task.session, order.form.text, ticket: order.task.ticket, left: outcome.left)
      }
    }
  }
}

extension Trainer: HealthReporting {
  package func health() -> Health {
    let failures = data.failures
    if data.isReading { return .degraded("the data is being read") }
    guard !failures.isEmpty else { return .ok }
    let words = failures.joined(separator: "; ")
    return failures.count == data.entries.count ? .failed(words) : .degraded(words)
  }
}
