internal import NodeKit
internal import Tensors
internal import TrainerWire

// One exchange with another trainer, whoever asks.
extension GossipLearner {
  // MARK: This one asks

  func ask(_ target: String, _ partner: String) throws {
    guard let model else { return }
    let number = model.number(of: settings.share), round = round
    try work {
      model.offer(number)
    } then: { [self] offer in
      guard isMeeting(partner, round) else { return }
      try ask(target, partner, try offer.get())
    }
  }

  func ask(_ target: String, _ partner: String, _ offer: SparseNumbers) throws {
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

  func settle(_ answer: GossipAnswer, _ offer: SparseNumbers, _ target: String, _ partner: String) {
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

  func send(
    _ part: GossipRequest.Part, to target: String, then done: @escaping (Result<[UInt8], RoleError>) throws -> Void
  ) throws {
    let request = GossipRequest(network: settings.network, round: round, from: own, rows: bandwidths.rows, part: part)
    let timeout = Duration.nanoseconds(Int64(settings.waitS * 1e9))
    try context.rpc.call(TrainerMethod.exchange, at: target, request.bytes, RpcOptions(timeout: timeout), then: done)
  }

  func isMeeting(_ partner: String, _ round: Int) -> Bool {
    if case .meeting(partner) = stage, self.round == round { return true }
    return false
  }

  // MARK: The other one asks

  func asked(_ request: GossipRequest, _ call: RpcServerCall) throws {
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

  func takeEarly(
    where matches: (GossipRequest) -> Bool
  ) -> [(request: GossipRequest, call: RpcServerCall)] {
    let taken = early.filter { matches($0.request) }
    early.removeAll { matches($0.request) }
    return taken
  }

  /// Says which round it is here, and nothing else.
  func refuse(_ call: RpcServerCall) {
    var answer = GossipAnswer(rows: bandwidths.rows)
    answer.round = stage.isOver ? 0 : max(round, heard)
    try? call.answer(answer.bytes)
  }

  func answerTheEarly() throws {
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

  func settle(_ means: [Float], _ request: GossipRequest, _ call: RpcServerCall) throws {
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
}
