internal import NodeKit
internal import TrainerWire

/// Sends a model to a trainer, as fast as it reads.
final class ModelSender {
  private let call: RpcClientCall
  private let failed: (RoleError) -> Void
  private var read: BlobRead?
  private var waiting: [[UInt8]] = []
  private var hasAll = false
  private var isEnough = false

  init(_ call: RpcClientCall, failed: @escaping (RoleError) -> Void) { (self.call, self.failed) = (call, failed) }

  func send(_ object: String, from blobs: Blobs) throws {
    read = try blobs.read(object, asksItself: false) { [self] piece in
      waiting.append(TrainingRequest.piece(piece.bytes).bytes)
      try goOn()
    } then: { [self] result in
      if isEnough { return }
      if case .failure(let error) = result { return failed(error) }
      hasAll = true
      try goOn()
    }
  }

  private func goOn() throws {
    guard !isEnough else { return }
    while let next = waiting.first {
      guard try call.send(next) else { return call.whenWritable { [self] in try goOn() } }
      waiting.removeFirst()
      read?.ask(for: next.count)
    }
    if hasAll { try call.finish() }
  }

  /// The trainer has the model: what has not been sent need not be.
  func enough() throws {
    guard !isEnough, !hasAll || !waiting.isEmpty else { return }
    isEnough = true
    waiting = []
    read?.cancel()
    try call.finish()
  }

  func stop() { read?.cancel() }
}
