internal import NodeKit
internal import Tensors
internal import TrainerWire
internal import Training

/// Trains without a server: round after round on its own data, and after each it meets one other trainer, whom
/// ``Matching`` names, and exchanges with them what has changed most; see ``GossipModel``. Whoever does not come, or is
/// in another round, is left out; who is far behind goes on with the round that it hears of.
final class GossipLearner {
  enum Stage {
    case starting, training, looking
    /// For an answer, or for the other one to ask.
    case meeting(String)
    case over
  }

  let settings: GossipSettings
  let local: LocalSettings
  let description: ModelDescription
  let context: RoleContext
  let data: DataShelf
  let threads: Int
  var engine: TrainingEngine?
  var model: GossipModel?
  var stage = Stage.starting
  var round = 0
  /// The greatest round that anybody has spoken of.
  var heard = 0
  var own = ""
  var bandwidths = Bandwidths()
  var score: Score?
  var tried: Score?
  var exchanged = 0
  var skipped = 0
  var kept = ""
  var timer: Timer?
  var jobs = 0
  /// Who has asked before this trainer was there.
  var early: [(request: GossipRequest, call: RpcServerCall)] = []
  /// Places that this one has offered, until the means are there.
  var unsettled: (from: String, round: Int, places: [UInt32])?

  static let earlyLimit = 64
  /// Pairs that meet twice are a round ahead of others, who catch up while they are waited for. Whoever is further
  /// behind leaves rounds out.
  static let farBehind = 4
  static let pause = Duration.seconds(1)
  static let shortPause = Duration.milliseconds(100)

  init(_ context: RoleContext, _ settings: GossipSettings, _ data: DataShelf, threads: Int) throws {
    (self.context, self.settings, self.data, self.threads) = (context, settings, data, threads)
    description = try ModelDescription(json: settings.model, at: "/gossip/model")
    local = settings.training
    try local.check()
    guard local.epochs > 0 else {
      throw RoleError(
        .invalidArgument, "who never trains has nothing to exchange; let a round have an epoch",
        at: "/gossip/training/epochs")
    }
  }

  func start() throws {
    try context.rpc.unary(TrainerMethod.exchange) { [unowned self] call, bytes in
      try asked(GossipRequest(bytes), call)
    }
    try data.whenRead { [self] in
      attempt { try findKept { [self] in try begin(with: $0) } }
    }
  }

  func begin(with file: [UInt8]?) throws {
    let description = description, batch = local.batchSize, threads = threads, seed = UInt64(settings.seed)
    try context.work.run { _ in
      let engine = try TrainingEngine(description, batch: batch, threads: threads, seed: seed)
      guard let file else { return (engine, GossipModel(FloatBuffer(engine.parameters))) }
      let layout = try engine.layout
      let weights = try tensorWords { () throws(TensorError) in try Weights(Safetensors(file), as: layout) }
      return (engine, GossipModel(weights.buffer))
    } then: { [self] (made: Result<(TrainingEngine, GossipModel), RoleError>) in
      attempt {
        (engine, model) = try made.get()
        if round >= settings.rounds { stage = .over } else { try train() }
      }
    }
  }

  func attempt(_ body: () throws -> Void) {
    do { try body() } catch {
      stage = .over
      context.fail(RoleError(error).status, "gossip: \(error)")
    }
  }

  // MARK: Training

  func train() throws {
    guard let engine, let model else { return }
    stage = .training
    guard case .here(let own) = try data.data(local.dataset) else {
      throw RoleError(
        .invalidArgument, "a program trains for servers only; take the built-in engine, or leave gossip out",
        at: "/gossip/rounds")
    }
    let local = local, seed = UInt64(settings.seed) &+ UInt64(round) &* 0x9E37_79B9
    try context.work.run { thread in
      let data = try own.training.shaped(engine.model.input)
      try engine.setParameters(model.values.array)
      let before = try own.held.map { try engine.evaluate($0.shaped(engine.model.input)) }
      try engine.optimise(local.optimiser)
      engine.anchor()
      let plan = LocalTraining(
        epochs: local.epochs, batch: local.batchSize, seed: seed,
        stepLimit: local.maxBatches == 0 ? nil : local.maxBatches)
      let report = try engine.train(on: data, plan) { _ in try thread.checkCancellation() }
      guard report.score.loss.isFinite else {
        throw RoleError(.failedPrecondition, "the loss is \(report.score.loss); take a smaller learning_rate")
      }
      engine.withParameters { model.values.base.update(from: $0.baseAddress!, count: model.count) }
      return (report.score, before)
    } then: { [self] (result: Result<(Score, Score?), RoleError>) in
      attempt {
        (score, tried) = try result.get()
        try look()
      }
    }
  }

  // MARK: Who is there

  func look() throws {
    stage = .looking
    try context.roles.call(settings.membersFrom, "status") { [self] (answer: Result<JSON, RoleError>) in
      own = (try? answer.get())?["id"]?.int.map(String.init) ?? own
      let filter: JSON = ["capabilities": ["gossip"]]
      try context.roles.call(settings.membersFrom, "find", filter) { [self] (answer: Result<JSON, RoleError>) in
        attempt { try found(Self.places(answer)) }
      }
    }
  }

  static func places(_ answer: Result<JSON, RoleError>) -> [String: String] {
    let nodes = (try? answer.get())?["nodes"]?.array ?? []
    let places = nodes.compactMap { node -> (String, String)? in
      guard let id = node["id"]?.int, let address = node["address"]?.string, let port = node["port"]?.int else {
        return nil
      }
      return (String(id), "http://\(address.contains(":") ? "[\(address)]" : address):\(port)")
    }
    return Dictionary(places) { first, _ in first }
  }

  func found(_ places: [String: String]) throws {
    guard places[own] != nil, places.count > 1 else {
      // Nobody knows this one yet, or there is nobody else.
      timer = try context.timer.once(after: Self.pause) { [self] in attempt { try look() } }
      return
    }
    let partners = Matching.partners(of: Array(places.keys), round: round, bandwidths: bandwidths)
    guard let partner = partners[own], let target = places[partner] else { return try next() }
    stage = .meeting(partner)
    try wait(.nanoseconds(Int64(settings.waitS * 1e9)))
    if own < partner { try ask(target, partner) } else { try answerTheEarly() }
  }

  /// The time for a meeting runs out, but not while a job has the model.
  func wait(_ time: Duration) throws {
    timer = try context.timer.once(after: time) { [self] in
      if jobs > 0 { try wait(Self.shortPause) } else { skip() }
    }
  }

  /// On the pool, with the model to itself.
  func work<Answer: Sendable>(
    _ body: @escaping @Sendable () throws -> Answer, then done: @escaping (Result<Answer, RoleError>) throws -> Void
  ) throws {
    jobs += 1
    try context.work.run { _ in
      try body()
    } then: { [self] result in
      jobs -= 1
      try done(result)
    }
  }

  /// - Parameter reached: the round that the other one is in already.
  func skip(to reached: Int = 0) {
    guard case .meeting = stage else { return }
    skipped += 1
    attempt { try next(reached) }
  }

  func next(_ reached: Int = 0) throws {
    timer?.cancel()
    stage = .looking
    round = max(round + 1, reached, heard > round + Self.farBehind ? heard : 0)
    let isLast = round >= settings.rounds
    if isLast || round % settings.keepEvery == 0 { try keep() }
    for (_, call) in takeEarly(where: { $0.round < round }) { refuse(call) }
    guard !isLast else {
      stage = .over
      for (_, call) in takeEarly(where: { _ in true }) { refuse(call) }
      return context.log.info("gossip: \(round) rounds are over; \(exchanged) exchanges, \(skipped) left out")
    }
    try train()
  }

  // MARK: For people

  var json: JSON {
    [
      "network": .string(settings.network), "round": .int(Int64(round)), "rounds": .int(Int64(settings.rounds)),
      "stage": .string(stage.word), "exchanged": .int(Int64(exchanged)), "skipped": .int(Int64(skipped)),
      "loss": score.map { .double($0.loss) } ?? .null, "accuracy": tried.map { .double($0.accuracy) } ?? .null,
      "model": .string(kept),
    ]
  }
}

extension GossipLearner.Stage {
  var isOver: Bool {
    if case .over = self { return true }
    return false
  }

  var word: String {
    switch self {
    case .starting: "starting"
    case .training: "training"
    case .looking: "looking who is there"
    case .meeting(let partner): "meeting \(partner)"
    case .over: "over"
    }
  }
}
