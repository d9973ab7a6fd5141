import CSystem
import Glibc
import Synchronization

/// Who does what waits for a disk. Any thread.
package protocol DiskRunner: AnyObject, Sendable {
  func submit(for owner: AnyObject, _ work: @escaping @Sendable () -> Void)
  /// Returns when nothing is left to do.
  func end()
}

/// Threads for what waits for a disk.
///
/// They are not the CPU pool's: an fsync holds its thread for milliseconds, or seconds on a busy disk, and takes no CPU
/// meanwhile; two of them would stop every job of every role. They are more than the cores for the same reason. Those
/// who have something to do take turns, so that one role's uploads do not hold up another's; each does a few
/// milliseconds of work and then asks for another turn.
final class DiskPool: DiskRunner, @unchecked Sendable {
  package typealias Work = @Sendable () -> Void

  /// More keep more disks busy, and cost switching between them.
  static let threadCount = 4

  private struct State {
    /// Those whose turn comes, in order, each with what it has to do. What is in it is bounded by its senders: each
    /// open request stands in it at most once.
    var waiting: [(owner: ObjectIdentifier, work: [Work])] = []
    var threads: [OwnThread] = []
    var idle = 0
    var isEnding = false
  }
  private let state = Mutex(State())
  private let hasWork = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  init() { sem_init(hasWork, 0, 0) }

  deinit {
    sem_destroy(hasWork)
    hasWork.deallocate()
  }

  package func submit(for owner: AnyObject, _ work: @escaping Work) {
    let id = ObjectIdentifier(owner)
    state.withLock { state in
      if let place = state.waiting.firstIndex(where: { $0.owner == id }) {
        state.waiting[place].work.append(work)
      } else {
        state.waiting.append((id, [work]))
      }
      // At the end only work itself brings more, and its thread goes on with it; nobody would wait for a new one.
      if !state.isEnding, state.idle == 0, state.threads.count < Self.threadCount { startThread(&state) }
    }
    sem_post(hasWork)
  }

  /// Ends all threads once they have nothing to do.
  package func end() {
    let threads = state.withLock { state in
      state.isEnding = true
      return state.threads
    }
    for _ in threads { sem_post(hasWork) }
    for thread in threads { thread.join() }
  }

  private func startThread(_ state: inout State) {
    if let thread = OwnThread("disk", { [self] in serve() }) { return state.threads.append(thread) }
    precondition(!state.threads.isEmpty, "no thread for the disk")
  }

  private func serve() {
    while let work = take() { work() }
  }

  private func take() -> Work? {
    while true {
      state.withLock { $0.idle += 1 }
      while sem_wait(hasWork) != 0 {}
      let (work, isOver) = state.withLock { state -> (Work?, Bool) in
        state.idle -= 1
        guard !state.waiting.isEmpty else { return (nil, state.isEnding) }
        var next = state.waiting.removeFirst()
        let work = next.work.removeFirst()
        if !next.work.isEmpty { state.waiting.append(next) }
        return (work, false)
      }
      if let work { return work }
      if isOver { return nil }
    }
  }
}
