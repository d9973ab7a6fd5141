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
  private let context: RoleContext
  private let data: DataShelf
  private let threads: Int
  private var engine: TrainingEngine?
  private(set) var model: GossipModel?
  private(set) var stage = Stage.starting
  private(set) var round = 0
  /// The greatest round that anybody has spoken of.
  private var heard = 0
  private var own = ""
  private var bandwidths = Bandwidths()
  private var score: Score?
  private var tried: Score?
  private(set) var exchanged = 0
  private(set) var skipped = 0
  private var kept = ""
  private var timer: Timer?
  private var jobs = 0
  /// Who has asked before this trainer was there.
  private var early: [(request: GossipRequest, call: RpcServerCall)] = []
  /// Places that this one has offered, until the means are there.
  private var unsettled: (from: String, round: Int, places: [UInt32])?

  private static let earlyLimit = 64
  /// Pairs that meet twice are a round ahead of others, who catch up while they are waited for. Whoever is further
  /// behind leaves rounds out.
  private static let farBehind = 4
  private static let pause = Duration.seconds(1)
  private static let shortPause = Duration.milliseconds(100)

  init(_ context: RoleContext, _ settings: GossipSettings, _ data: DataShelf, threads: Int) throws {
    (self.context, self.settings, self.data, self.threads) = (context, settings, data, threads)
    description = try ModelDescription(json: settings.model, at: "/gossip/model")
    local = try LocalSettings(text: settings.training.description)
  }

  func start() throws {
    try context.rpc.unary(TrainerMethod.exchange) { [unowned self] call, bytes in
      try asked(GossipRequest(bytes), call)
    }
    try data.whenRead { [self] in
      attempt { try findKept { [self] in try begin(with: $0) } }
    }
  }

  // MARK: The disk

  private var key: String { "gossip/\(settings.network)" }

  /// The file of the model that an earlier start has kept.
  private func findKept(then done: @escaping ([UInt8]?) throws -> Void) throws {
    try context.store.get(key) { [self] (found: Result<Stored<JSON>?, RoleError>) in
      attempt {
        guard let record = try found.get()?.value, let object = record["model"]?.string,
          let round = record["round"]?.int
        else {
          return try done(nil)
        }
        var file: [UInt8] = []
        try context.blobs.read(object) {
          file += $0.bytes
        } then: { [self] result in
          attempt {
            try result.get()
            (self.round, kept) = (Int(round), object)
            try done(file)
          }
        }
      }
    }
  }

  private func begin(with file: [UInt8]?) throws {
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

  private func attempt(_ body: () throws -> Void) {
    do { try body() } catch {
      stage = .over
      context.fail(RoleError(error).status, "gossip: \(error)")
    }
  }

  // MARK: Training

  private func train() throws {
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

  private func look() throws {
    stage = .looking
    try context.roles.call(settings.membersFrom, "status") { [self] (answer: Result<JSON, RoleError>) in
      own = (try? answer.get())?["id"]?.int.map(String.init) ?? own
      let filter: JSON = ["capabilities": ["gossip"]]
      try context.roles.call(settings.membersFrom, "find", filter) { [self] (answer: Result<JSON, RoleError>) in
        attempt { try found(Self.places(answer)) }
      }
    }
  }

  private static func places(_ answer: Result<JSON, RoleError>) -> [String: String] {
    let nodes = (try? answer.get())?["nodes"]?.array ?? []
    let places = nodes.compactMap { node -> (String, String)? in
      guard let id = node["id"]?.int, let address = node["address"]?.string, let port = node["port"]?.int else {
        return nil
      }
      return (String(id), "http://\(address.contains(":") ? "[\(address)]" : address):\(port)")
    }
    return Dictionary(places) { first, _ in first }
  }

  private func found(_ places: [String: String]) throws {
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
  private func wait(_ time: Duration) throws {
    timer = try context.timer.once(after: time) { [self] in
      if jobs > 0 { try wait(Self.shortPause) } else { skip() }
    }
  }

  /// On the pool, with the model to itself.
  private func work<Answer: Sendable>(
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
  private func skip(to reached: Int = 0) {
    guard case .meeting = stage else { return }
    skipped += 1
    attempt { try next(reached) }
  }

  private func next(_ reached: Int = 0) throws {
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

  /// The model and the round, so that a restart goes on from there.
  private func keep() throws {
    guard let model, let engine else { return }
    let layout = try engine.layout, copy = FloatBuffer(copying: model.values), round = round
    try context.work.run { _ in
      Weights(layout, copy).file()
    } then: { [self] file in
      guard let bytes = try? file.get() else { return }
      try context.blobs.put(bytes, as: key) { [self] stored in
        do { try record(stored.get().sha256, round) } catch {
          context.log.warning("gossip: the model of round \(round) is not kept: \(error)")
        }
      }
    }
  }

  private func record(_ object: String, _ round: Int) throws {
    try context.store.commit { [self] in
      let record: JSON = ["model": .string(object), "round": .int(Int64(round))]
      $0.put(key, record)
    } then: { [self] written in
      guard case .success = written else { return }
      let old = kept
      kept = object
      if !old.isEmpty, old != object { try context.blobs.remove(old) { _ in } }
    }
  }

  // MARK: This one asks

  private func ask(_ target: String, _ partner: String) throws {
    guard let model else { return }
    let number = model.number(of: settings.share), round = round
    try work {
      model.offer(number)
    } then: { [self] offer in
      guard isMeeting(partner, round) else { return }
      try ask(target, partner, try offer.get())
    }
  }

  private func ask(_ target: String, _ partner: String, _ offer: SparseNumbers) throws {
    let round = round
    try send(.offer(offer), to: target) { [self] result in
      guard isMeeting(partner, round) else { return }
      if case .failure(let error) = result, [.unavailable, .unimplemented].contains(error.status) {
        // It may be there before the time is over.
        try context.timer.once(after: Self.pause) { [self] in
          if isMeeting(partner, round) { try ask(target, partner, offer) }
        }
        return
      }
      guard let answer = try? GossipAnswer(result.get()) else { return skip() }
      bandwidths.merge(answer.rows, round: round)
      guard answer.round == round, answer.means.count == offer.places.count else {
        return skip(to: min(answer.round, settings.rounds))
      }
      settle(answer, offer, target, partner)
    }
  }

  private func settle(_ answer: GossipAnswer, _ offer: SparseNumbers, _ target: String, _ partner: String) {
    guard let model else { return }
    let round = round
    attempt {
      try work {
        try model.take(answer.means, of: offer, answer.own)
      } then: { [self] means in
        guard isMeeting(partner, round) else { return }
        guard let means = try? means.get() else { return skip() }
        let began = context.now
        try send(.settle(means), to: target) { [self] result in
          guard isMeeting(partner, round) else { return }
          if case .success = result {
            // The other one does not make this one wait here, so it is the way's own time.
            bandwidths.measured(
              by: own, to: partner, bytes: 4 * means.count, nanoseconds: began.duration(to: context.now).nanoseconds,
              round: round)
          }
          exchanged += 1
          try next()
        }
      }
    }
  }

  private func send(
    _ part: GossipRequest.Part, to target: String, then done: @escaping (Result<[UInt8], RoleError>) throws -> Void
  ) throws {
    let request = GossipRequest(network: settings.network, round: round, from: own, rows: bandwidths.rows, part: part)
    let timeout = Duration.nanoseconds(Int64(settings.waitS * 1e9))
    try context.rpc.call(TrainerMethod.exchange, at: target, request.bytes, RpcOptions(timeout: timeout), then: done)
  }

  private func isMeeting(_ partner: String, _ round: Int) -> Bool {
    if case .meeting(partner) = stage, self.round == round { return true }
    return false
  }

  // MARK: The other one asks

  private func asked(_ request: GossipRequest, _ call: RpcServerCall) throws {
    guard request.network == settings.network else {
      throw RoleError(.failedPrecondition, "this trainer is of the network `\(settings.network)`")
    }
    heard = max(heard, min(request.round, settings.rounds))
    bandwidths.merge(request.rows, round: round)
    if case .settle(let means) = request.part { return try settle(means, request, call) }
    guard request.round >= round, early.count < Self.earlyLimit else { return refuse(call) }
    if case .over = stage { return refuse(call) }
    early.append((request, call))
    if case .meeting = stage { try answerTheEarly() }
  }

  private func takeEarly(
    where matches: (GossipRequest) -> Bool
  ) -> [(request: GossipRequest, call: RpcServerCall)] {
    let taken = early.filter { matches($0.request) }
    early.removeAll { matches($0.request) }
    return taken
  }

  /// Says which round it is here, and nothing else.
  private func refuse(_ call: RpcServerCall) {
    var answer = GossipAnswer(rows: bandwidths.rows)
    answer.round = stage.isOver ? 0 : max(round, heard)
    try? call.answer(answer.bytes)
  }

  private func answerTheEarly() throws {
    guard case .meeting(let partner) = stage, unsettled == nil, let model else { return }
    let round = round, number = model.number(of: settings.share)
    guard let (request, call) = takeEarly(where: { $0.round == round && $0.from == partner }).last,
      case .offer(let offer) = request.part
    else { return }
    try work {
      try model.answer(offer, number)
    } then: { [self] result in
      guard isMeeting(partner, round) else { return refuse(call) }
      switch result {
      case .failure(let error):
        try? call.fail(error)
        skip()
      case .success(let (means, own)):
        unsettled = (partner, round, own.places)
        var answer = GossipAnswer(rows: bandwidths.rows, means: means, own: own)
        answer.round = round
        try call.answer(answer.bytes)
      }
    }
  }

  private func settle(_ means: [Float], _ request: GossipRequest, _ call: RpcServerCall) throws {
    guard let open = unsettled, open.from == request.from, open.round == request.round,
      isMeeting(open.from, open.round), let model
    else { throw RoleError(.aborted, "nothing is open between the two of this round") }
    unsettled = nil
    try call.answer(GossipAnswer(rows: []).bytes)
    try work {
      try model.settle(means, at: open.places)
    } then: { [self] result in
      guard isMeeting(open.from, open.round) else { return }
      if case .success = result { exchanged += 1 } else { skipped += 1 }
      attempt { try next() }
    }
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
