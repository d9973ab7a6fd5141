internal import CTraining
internal import Synchronization

/// The memory of the last engine's parameters, for the next engine of that size: an engine for each task would have the
/// system clear as much each time. Any thread.
package final class EngineRoom: Sendable {
  private let limit: Int
  // A pointer that nobody else has.
  private nonisolated(unsafe) var room = training_room()
  private let lock = Mutex(())

  /// - Parameter limit: bytes of parameters of which it keeps the memory.
  package init(limit: Int) { self.limit = limit }

  deinit { training_give_back(room) }

  var isEmpty: Bool { lock.withLock { _ in room.start == nil } }

  func take() -> training_room { exchange(training_room()) }

  /// The memory has been left by an engine of so many bytes of parameters.
  func keep(_ left: training_room, parameters: Int) {
    training_give_back(parameters > limit ? left : exchange(left))
  }

  private func exchange(_ new: training_room) -> training_room {
    lock.withLock { _ in
      defer { room = new }
      return room
    }
  }
}
