internal import NodeKit
internal import TrainerWire

/// One read of a model for all trainers that take it at about the same time: its pieces are read, hashed and packed
/// once. The fastest trainer leads, and the last pieces are kept for those that are behind.
final class ModelFeed {
  enum Next {
    /// Ready to be sent, with so many bytes of the model in it.
    case message([UInt8], holds: Int)
    /// The closure is called when there is more to say.
    case later
    case end
    /// It was here, and is not any more.
    case passed
    case failed(RoleError)
  }

  /// 16 MiB. More keeps slower trainers from reading for themselves.
  private static let keptLimit = 256

  private let blobs: Blobs
  private let object: String
  private var read: BlobRead?
  private var messages: [(bytes: [UInt8], holds: Int)] = []
  /// The number of the first of them.
  private var first = 0
  /// How many messages somebody has taken.
  private var taken = 0
  private var outcome: Result<Void, RoleError>?
  private var waiting: [() -> Void] = []
  private var users = 0

  init(_ blobs: Blobs, _ object: String) { (self.blobs, self.object) = (blobs, object) }

  /// Somebody who comes now can still have all of it.
  var isWhole: Bool {
    if case .failure = outcome { return false }
    return first == 0
  }

  /// - Parameter start: what is before it in the object is not wanted.
  func join(from start: Int = 0) {
    users += 1
    guard users == 1, read == nil else { return }
    do {
      read = try blobs.readInPlace(
        object, from: start, asksItself: false,
        onBytes: { [self] _, bytes in
          messages.append((TrainingRequest.message(of: bytes), bytes.count))
          forgetFirst()
          tell()
        },
        then: { [self] result in
          outcome = result
          tell()
        })
    } catch { outcome = .failure(RoleError(error)) }
  }

  func leave() {
    users -= 1
    guard users == 0, outcome == nil else { return }
    outcome = .failure(RoleError(.cancelled, "nobody takes the model any more"))
    read?.cancel()
  }

  private func forgetFirst() {
    guard messages.count > Self.keptLimit else { return }
    messages.removeFirst()
    first += 1
  }

  private func tell() {
    let told = waiting
    waiting = []
    for body in told { body() }
  }

  /// The message of that number, counted from where the feed begins.
  func next(_ number: Int, whenMore: @escaping () -> Void) -> Next {
    guard number >= first else { return .passed }
    guard number - first < messages.count else {
      switch outcome {
      case .success: return .end
      case .failure(let error): return .failed(error)
      case nil:
        waiting.append(whenMore)
        return .later
      }
    }
    let message = messages[number - first]
    if number >= taken {
      taken = number + 1
      read?.ask(for: message.holds)
    }
    return .message(message.bytes, holds: message.holds)
  }
}

/// The feed of the model that is sent now.
final class ModelFeeds {
  private let blobs: Blobs
  private var last: (object: String, feed: ModelFeed)?

  init(_ blobs: Blobs) { self.blobs = blobs }

  func feed(of object: String) -> ModelFeed {
    if let last, last.object == object, last.feed.isWhole { return last.feed }
    let feed = ModelFeed(blobs, object)
    last = (object, feed)
    return feed
  }
}
