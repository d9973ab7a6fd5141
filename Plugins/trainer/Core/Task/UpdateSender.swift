internal import NodeKit
internal import TrainerWire

/// Sends an update, as fast as the server reads.
final class UpdateSender {
  private static let pieceSize = 256 << 10

  private let call: RpcServerCall
  private let head: TrainingAnswer
  private let file: [UInt8]
  private let done: (RoleError?) -> Void
  private var place = -1

  /// - Parameter done: told when all of it has been handed over.
  init(
    _ call: RpcServerCall, _ head: TrainingAnswer, _ file: [UInt8], then done: @escaping (RoleError?) -> Void
  ) {
    (self.call, self.head, self.file, self.done) = (call, head, file, done)
  }

  func goOn() {
    do {
      while place < file.count {
        let end = place < 0 ? 0 : min(place + Self.pieceSize, file.count)
        let message = place < 0 ? head : .piece(Array(file[place..<end]))
        guard try call.send(message.bytes) else { return call.whenWritable { [self] in goOn() } }
        place = end
      }
      try call.finish()
      done(nil)
    } catch { done(RoleError(error)) }
  }
}
