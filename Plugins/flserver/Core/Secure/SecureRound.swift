internal import NodeKit
internal import SecureSum
internal import TrainerWire

/// One round of secure aggregation, as it is played with trainers: their keys come, then their secrets in shares, which
/// go to the others; then each trains, and its masked numbers come; in the end the sum is opened with those who are
/// left. What may be sent when, and to whom, ``SecureServer`` knows; this asks, waits and gives up.
///
/// A trainer that does not answer a question in time is out of the round. Too few of them, and it is over; the reason
/// goes to all who are still in it.
final class SecureRound {
  struct Member: Equatable {
    var ticket: Ticket
    /// Where it serves.
    var target: String
  }

  /// The sum, as one update of all.
  struct Opened: Equatable {
    var file: ModelFile
    /// The sum of all weights.
    var weight: Int
    var survivors: [String]
  }

  let plan: SecurePlan
  private let context: RoleContext
  private let timeout: Duration
  private let members: [String: Member]
  private var lost: Set<String> = []
  private var server: SecureServer
  /// A trainer may train now.
  var train: (Ticket) -> Void = { _ in }
  var failed: (Ticket, RoleError) -> Void = { _, _ in }

  /// - Parameter timeout: for each question but the training itself.
  init(_ context: RoleContext, _ plan: SecurePlan, _ members: [Member], timeout: Duration) {
    (self.context, self.plan, self.timeout) = (context, plan, timeout)
    self.members = Dictionary(members.map { ($0.ticket.trainer, $0) }) { first, _ in first }
    server = SecureServer(plan)
  }

  func begin() {
    let all = members.keys.sorted().map { ($0, SecureRequest.begin(plan)) }
    ask(all) { [self] name, answer in
      guard case .keys(let advert) = answer else { throw Self.otherAnswer }
      try server.advertised(name, advert)
    } then: { [self] in
      attempt { [self] in
        let rosters = try server.closeKeys()
        exchange(rosters.map { ($0.name, SecureRequest.roster(round: plan.round, $0.roster)) })
      }
    }
  }

  private func exchange(_ rosters: [(String, SecureRequest)]) {
    ask(rosters) { [self] name, answer in
      guard case .shares(let shares) = answer else { throw Self.otherAnswer }
      try server.shared(name, shares)
    } then: { [self] in
      attempt { [self] in
        let deliveries = try server.closeShares()
        deliver(deliveries.map { ($0.name, SecureRequest.deliver(round: plan.round, $0.shares)) })
      }
    }
  }

  private func deliver(_ shares: [(String, SecureRequest)]) {
    ask(shares) { [self] name, answer in
      guard case .ready = answer else { throw Self.otherAnswer }
      if let member = members[name] { train(member.ticket) }
    } then: {
    }
  }

  /// The numbers of a trainer are on the disk.
  func stored(_ trainer: String) throws { try server.collected(trainer, bytes: plan.bytes) }

  // MARK: Opening

  /// The mean of what the trainers have changed, by their weights, on top of what they began with.
  ///
  /// - Parameters:
  ///   - files: the masked numbers of all that were `stored`.
  ///   - name: of the upload.
  func open(
    _ files: [String: ModelFile], base: ModelFile, name: String,
    then done: @escaping (Result<Opened, RoleError>) -> Void
  ) {
    do {
      let (names, unmask) = try server.closeNumbers()
      guard Set(names) == Set(files.keys) else {
        throw RoleError(.internal, "the sum is not of those whose numbers came; all of them or none can be opened")
      }
      var isOpening = false
      func goOn(_ isLast: Bool) {
        guard !isOpening, isLast || server.canOpen else { return }
        isOpening = true
        openSum(files, base, name, done)
      }
      ask(names.map { ($0, SecureRequest.unmask(round: plan.round, unmask)) }) { [self] trainer, answer in
        guard case .revealed(let shares) = answer else { throw Self.otherAnswer }
        guard !isOpening else { return }
        try server.revealed(trainer, shares)
        // As many as are needed will do.
        goOn(false)
      } then: {
        goOn(true)
      }
    } catch { done(.failure(RoleError(error))) }
  }

  private func openSum(
    _ files: [String: ModelFile], _ base: ModelFile, _ name: String,
    _ done: @escaping (Result<Opened, RoleError>) -> Void
  ) {
    let server = server
    do {
      try context.work.run { _ in
        try server.opening()
      } then: { [self] result in
        do {
          let opening = try result.get()
          let rows = opening.survivors.compactMap { files[$0] }
          MaskedMean(context, opening, rows, base: base, name: name).run { result in
            done(result.map { Opened(file: $0.file, weight: $0.weight, survivors: opening.survivors) })
          }
        } catch { done(.failure(RoleError(error))) }
      }
    } catch { done(.failure(RoleError(error))) }
  }

  // MARK: Asking

  private static let otherAnswer = RoleError(.invalidArgument, "it answers something else than it was asked")

  /// Asks all at a time. Who does not answer, or answers wrong, is lost.
  private func ask(
    _ requests: [(String, SecureRequest)], _ take: @escaping (String, SecureAnswer) throws -> Void,
    then done: @escaping () -> Void
  ) {
    var left = requests.count
    for (name, request) in requests {
      ask(name, request) { [self] result in
        do { try take(name, SecureAnswer(result.get())) } catch { lose(name, RoleError(error)) }
        left -= 1
        if left == 0 { done() }
      }
    }
    if requests.isEmpty { done() }
  }

  private func ask(_ name: String, _ request: SecureRequest, then done: @escaping (Result<[UInt8], RoleError>) -> Void)
  {
    do {
      try context.rpc.call(
        TrainerMethod.secure, at: members[name]?.target ?? "", request.bytes, RpcOptions(timeout: timeout), then: done)
    } catch { done(.failure(RoleError(error))) }
  }

  private func lose(_ name: String, _ error: RoleError) {
    guard let member = members[name], lost.insert(name).inserted else { return }
    failed(member.ticket, error)
  }

  private func attempt(_ body: () throws -> Void) {
    do { try body() } catch {
      for name in members.keys.sorted() { lose(name, RoleError(error)) }
    }
  }
}
