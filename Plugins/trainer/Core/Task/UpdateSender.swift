internal import NodeKit
internal import TrainerWire

/// Sends an update, as fast as the server reads.
final class UpdateSender {
  private static let pieceSize = 256 << 10

  private let call: RpcServerCall
  private let update: UpdateFile
  private let done: (RoleError?) -> Void
  /// What is sent next; its bytes are not counted in `place`.
  private var next: (bytes: [UInt8], holds: Int)
  private var place = 0

  /// - Parameter done: told when all of it has been handed over.
  init(
    _ call: RpcServerCall, _ head: TrainingAnswer, _ update: UpdateFile, then done: @escaping (RoleError?) -> Void
  ) {
    (self.call, self.update, self.done) = (call, update, done)
    next = (head.bytes, 0)
  }

  func goOn() {
    do {
      while true {
        guard try call.send(next.bytes) else { return call.whenWritable { [self] in goOn() } }
        place += next.holds
        guard place < update.count else { break }
        next = update.message(from: place, upTo: Self.pieceSize)
      }
      try call.finish()
      done(nil)
    } catch { done(RoleError(error)) }
  }
}
