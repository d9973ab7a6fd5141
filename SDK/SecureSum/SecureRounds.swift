public import NodeKit

/// The rounds that a trainer takes part in: answers the server's questions, and keeps what belongs to each round until
/// it is over or others have come.
///
///     try context.rpc.unary(TrainerMethod.secure) { call, request in
///       rounds.answer(request) { result in … }
///     }
///     let masking = try rounds.takeMasking(of: task.secureRound)
public final class SecureRounds {
  /// The oldest is forgotten when there are more.
  public static let limit = 32

  private struct Entry {
    let round: String
    /// Nil while a job has it.
    var trainer: SecureTrainer?
    var masking: SecureMasking?
  }

  private let context: RoleContext
  private var entries: [Entry] = []

  /// The role needs the services `work` and `random`.
  public init(_ context: RoleContext) { self.context = context }

  public var count: Int { entries.count }

  /// Answers a message of the server; later, as keys take their time.
  public func answer(_ bytes: [UInt8], then done: @escaping (Result<[UInt8], RoleError>) -> Void) {
    do {
      let request = try SecureRequest(bytes)
      if case .begin(let plan) = request { return try begin(plan, done) }
      guard let place = entries.firstIndex(where: { $0.round == request.round }) else {
        throw RoleError(.notFound, "there is no round \(request.round) here, or not any more")
      }
      guard let trainer = entries[place].trainer else {
        throw RoleError(.aborted, "a question of round \(request.round) is being answered")
      }
      entries[place].trainer = nil
      try work(on: trainer, request, done)
    } catch { done(.failure(RoleError(error))) }
  }

  private func begin(_ plan: SecurePlan, _ done: @escaping (Result<[UInt8], RoleError>) -> Void) throws {
    guard !entries.contains(where: { $0.round == plan.round }) else {
      throw RoleError(.alreadyExists, "round \(plan.round) began before")
    }
    let trainer = try SecureTrainer(plan, random: context.random.bytes(32))
    if entries.count == Self.limit { entries.removeFirst() }
    entries.append(Entry(round: plan.round, trainer: trainer))
    done(.success(SecureAnswer.keys(trainer.advert).bytes))
  }

  private func work(
    on trainer: SecureTrainer, _ request: SecureRequest, _ done: @escaping (Result<[UInt8], RoleError>) -> Void
  ) throws {
    try context.work.run { _ in
      var trainer = trainer
      let (answer, masking) = try trainer.answer(request)
      return (trainer, answer, masking)
    } then: { [self] (result: Result<(SecureTrainer, SecureAnswer, SecureMasking?), RoleError>) in
      if let place = entries.firstIndex(where: { $0.round == request.round }) {
        // After a refusal it is as it was.
        entries[place].trainer = (try? result.get().0) ?? trainer
        if let masking = try? result.get().2 { entries[place].masking = masking }
      }
      done(result.map { $0.1.bytes })
    }
  }

  /// What masks the numbers of a round: once, since two sets of numbers under one mask would show their difference.
  public func takeMasking(of round: String) throws(RoleError) -> SecureMasking {
    guard let place = entries.firstIndex(where: { $0.round == round }) else {
      throw RoleError(.notFound, "there is no round \(round) here, or not any more")
    }
    guard let masking = entries[place].masking else {
      throw RoleError(
        .failedPrecondition, "round \(round) has no masks yet, or they were taken: numbers are masked once")
    }
    entries[place].masking = nil
    return masking
  }
}

extension SecureTrainer {
  /// One step, whatever is asked.
  mutating func answer(_ request: SecureRequest) throws(RoleError) -> (SecureAnswer, SecureMasking?) {
    switch request {
    case .begin: throw RoleError(.alreadyExists, "round \(plan.round) began before")
    case .roster(_, let roster): return (.shares(try share(roster)), nil)
    case .deliver(_, let shares): return (.ready, try deliver(shares))
    case .unmask(_, let unmask): return (.revealed(try reveal(unmask)), nil)
    }
  }
}
