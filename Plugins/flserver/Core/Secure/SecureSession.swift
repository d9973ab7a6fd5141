internal import NodeKit
internal import SecureSum
internal import TrainerWire

/// The rounds of a session whose updates nobody sees, one after the other: whoever is asked joins, and when all have
/// joined, the round begins.
final class SecureSession {
  private let context: RoleContext
  private let id: String
  private let document: SessionDocument
  private let trainers: TrainerTable
  private let count: Int
  private var joined: [Ticket] = []
  private var round: SecureRound?
  /// A trainer may train now.
  var train: (Ticket) -> Void = { _ in }
  var failed: (Ticket, RoleError) -> Void = { _, _ in }

  /// - Parameter count: of the model's numbers.
  init(_ context: RoleContext, _ id: String, _ document: SessionDocument, _ trainers: TrainerTable, count: Int) {
    (self.context, self.id, self.document, self.trainers, self.count) = (context, id, document, trainers, count)
  }

  /// Of the round that is played.
  var plan: SecurePlan? { round?.plan }

  func join(_ ticket: Ticket) { joined.append(ticket) }

  /// Nothing happens if nobody has joined.
  func begin() {
    guard let first = joined.first else { return }
    let all = joined
    joined = []
    let members = all.compactMap { ticket in
      trainers[ticket.trainer].flatMap { $0.isThere ? SecureRound.Member(ticket: ticket, target: $0.target) : nil }
    }
    do {
      let plan = try document.securePlan(
        // A ticket's number is never given again.
        round: "\(id)/\(first.version)/\(first.number)", participants: members.count, count: count, most: most(members))
      let timeout = Duration.nanoseconds(Int64(document.sessionConfig.secureAggregationArgs.timeoutS * 1e9))
      let round = SecureRound(context, plan, members, timeout: timeout)
      (round.train, round.failed) = (train, failed)
      self.round = round
      let there = Set(members.map(\.ticket.number))
      for ticket in all where !there.contains(ticket.number) { failed(ticket, Self.gone) }
      round.begin()
    } catch { for ticket in all { failed(ticket, RoleError(error)) } }
  }

  private static let gone = RoleError(.unavailable, "the trainer has gone")

  /// The greatest number of samples that one of them has.
  private func most(_ members: [SecureRound.Member]) -> Int {
    let name = document.clientTrainingConfig.dataset
    let samples = members.compactMap { member in
      trainers[member.ticket.trainer]?.description?.dataSets.first { $0.id == name }?.samples
    }
    return samples.max() ?? 1
  }

  func stored(_ trainer: String) throws { try round?.stored(trainer) }

  func open(
    _ step: Step, base: ModelFile, name: String, then done: @escaping (Result<SecureRound.Opened, RoleError>) -> Void
  ) {
    guard let round else { return done(.failure(RoleError(.failedPrecondition, "there is no round to open"))) }
    let files = step.updates.map {
      ($0.trainer, ModelFile(object: $0.object, start: $0.start, count: count + 1))
    }
    round.open(Dictionary(files) { first, _ in first }, base: base, name: name, then: done)
  }
}
