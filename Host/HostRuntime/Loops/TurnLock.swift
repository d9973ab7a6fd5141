import Glibc

/// Says whose turn a loop is. Unlike the library's `Mutex` it may be tried by the thread that holds it.
final class TurnLock: @unchecked Sendable {
  private let lockable = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

  init() {
    lockable.initialize(to: pthread_mutex_t())
    pthread_mutex_init(lockable, nil)
  }

  deinit {
    pthread_mutex_destroy(lockable)
    lockable.deallocate()
  }

  func tryLock() -> Bool { pthread_mutex_trylock(lockable) == 0 }
  func lock() { pthread_mutex_lock(lockable) }
  func unlock() { pthread_mutex_unlock(lockable) }
}
