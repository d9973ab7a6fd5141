import Glibc

/// Closed until somebody opens it, once; one thread may wait for that.
final class Gate: @unchecked Sendable {
  private let opened = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)

  init() { sem_init(opened, 0, 0) }

  deinit {
    sem_destroy(opened)
    opened.deallocate()
  }

  func open() { sem_post(opened) }

  /// Returns when it is open.
  func pass() { while sem_wait(opened) != 0 {} }
}
