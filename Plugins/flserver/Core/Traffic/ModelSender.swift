internal import NodeKit

/// Sends a model to a trainer, as fast as it reads.
final class ModelSender {
  private let call: RpcClientCall
  private let blobs: Blobs
  private let object: String
  private let failed: (RoleError) -> Void
  private var feed: ModelFeed
  /// Of the feed's messages.
  private var number = 0
  /// Of the model, by all feeds so far.
  private var sent = 0
  private var isOver = false

  init(
    _ call: RpcClientCall, _ object: String, _ feed: ModelFeed, from blobs: Blobs, failed: @escaping (RoleError) -> Void
  ) {
    (self.call, self.object, self.feed, self.blobs, self.failed) = (call, object, feed, blobs, failed)
  }

  func begin() {
    feed.join()
    goOn()
  }

  private func goOn() {
    do {
      while !isOver {
        switch feed.next(number, whenMore: { [self] in goOn() }) {
        case .message(let message, let bytes):
          guard try call.send(message) else { return call.whenWritable { [self] in goOn() } }
          number += 1
          sent += bytes
        case .later: return
        case .end:
          end()
          try call.finish()
        case .passed: readAlone()
        case .failed(let error): throw error
        }
      }
    } catch {
      end()
      failed(RoleError(error))
    }
  }

  /// The others are too far ahead.
  private func readAlone() {
    feed.leave()
    feed = ModelFeed(blobs, object)
    number = 0
    feed.join(from: sent)
  }

  private func end() {
    guard !isOver else { return }
    isOver = true
    feed.leave()
  }

  /// The trainer has the model: what has not been sent need not be.
  func enough() throws {
    guard !isOver else { return }
    end()
    try call.finish()
  }

  func stop() { end() }
}
