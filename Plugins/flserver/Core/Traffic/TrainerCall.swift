internal import NodeKit
internal import Tensors
internal import TrainerWire

/// One piece of work that a trainer was asked for: the model goes there, and the update comes back.
final class TrainerCall {
  /// What it has brought.
  struct Arrival: Equatable {
    var file: ModelFile
    var quality: ModelQuality
    var seconds: Double
    /// Of the update, on the wire.
    var bytes: Int
  }

  struct Work {
    var task: TrainingTask
    var model: ModelFile
    var feed: ModelFeed
    var layout: TensorLayout
    var form: UpdateForm
    /// For forms with differences.
    var base: Weights?
    /// The bytes of masked numbers, which come instead of an update in the form.
    var masked: Int?
    /// Of the update's upload.
    var name: String
    var timeout: Duration
  }

  private let context: RoleContext
  private let work: Work
  private let progressed: (_ share: Double, _ loss: Double) -> Void
  private var done: ((Result<Arrival, RoleError>) -> Void)?
  private var call: RpcClientCall?
  private var sender: ModelSender?
  private var receiver: (any UpdateTaking)?
  private var head: (quality: ModelQuality, size: Int, seconds: Double)?

  init(
    _ context: RoleContext, _ work: Work, progressed: @escaping (Double, Double) -> Void = { _, _ in },
    then done: @escaping (Result<Arrival, RoleError>) -> Void
  ) {
    (self.context, self.work, self.progressed, self.done) = (context, work, progressed, done)
  }

  func begin(at target: String) {
    do {
      let call = try context.rpc.open(TrainerMethod.train, at: target, RpcOptions(timeout: work.timeout))
      self.call = call
      call.receive(byCredit: true) { [self] in
        try messageCame($0)
      } last: { [self] in
        receiver?.last()
      }
      call.whenEnded { [self] ending in
        guard let error = ending.error else {
          if head == nil { end(.failure(RoleError(.internal, "it ended without an update"))) }
          return
        }
        end(.failure(error))
      }
      let sender = ModelSender(call, work.model.object, work.feed, from: context.blobs) { [self] in end(.failure($0)) }
      self.sender = sender
      // The first message is small and always finds room.
      _ = try call.send(TrainingRequest.task(work.task).bytes)
      sender.begin()
    } catch { end(.failure(RoleError(error))) }
  }

  func cancel() { end(.failure(RoleError(.cancelled, "it is not waited for any more"))) }

  private func end(_ result: Result<Arrival, RoleError>) {
    guard let done else { return }
    self.done = nil
    sender?.stop()
    if case .failure = result {
      call?.cancel()
      receiver?.stop()
    }
    // They hold the call, too.
    (sender, receiver) = (nil, nil)
    done(result)
  }

  private func messageCame(_ bytes: [UInt8]) throws {
    guard done != nil else { return }
    do {
      switch try TrainingAnswer(bytes) {
      case .progress(let batches, let all, let loss):
        progressed(all == 0 ? 0 : min(1, Double(batches) / Double(all)), loss)
        call?.wantMore()
      case .have:
        try sender?.enough()
        call?.wantMore()
      case .update(let quality, let size, let seconds): try begin(quality, Int(clamping: size), seconds)
      case .piece(let piece):
        guard let receiver else { throw RoleError(.invalidArgument, "a piece of an update came before its head") }
        receiver.take(piece)
      }
    } catch { end(.failure(RoleError(error))) }
  }

  private func begin(_ quality: ModelQuality, _ size: Int, _ seconds: Double) throws {
    guard receiver == nil else { throw RoleError(.invalidArgument, "two updates came for one piece of work") }
    guard quality.samples > 0 else { throw RoleError(.invalidArgument, "an update of no samples") }
    head = (quality, size, seconds)
    receiver = try receiver(of: size) { [self] result in
      end(result.map { Arrival(file: $0, quality: quality, seconds: seconds, bytes: size) })
    }
    call?.wantMore()
  }

  private func receiver(
    of size: Int, then done: @escaping (Result<ModelFile, RoleError>) -> Void
  ) throws -> any UpdateTaking {
    let wantMore = { [unowned self] in call?.wantMore() ?? () }
    if let masked = work.masked {
      return try MaskedReceiver(
        context, name: work.name, announced: size, size: masked, wantMore: wantMore, then: done)
    }
    return try UpdateReceiver(
      context, work.layout, work.form, base: work.base, name: work.name, size: size, wantMore: wantMore, then: done)
  }
}
