import CSystem
import Glibc

/// A thread of the node's own. Whoever starts one either waits for its end or lets go of it.
package struct OwnThread: Sendable {
  private final class Work: Sendable {
    let name: String
    let body: @Sendable () -> Void
    init(_ name: String, _ body: @escaping @Sendable () -> Void) { (self.name, self.body) = (name, body) }
  }

  /// What threads have that the system makes itself.
  private static let stackSize = 8 << 20
  private let thread: pthread_t

  /// Nil if the system has no thread left. `name` is what `top` shows, at most 15 letters of it.
  init?(_ name: String, stackSize: Int = OwnThread.stackSize, _ body: @escaping @Sendable () -> Void) {
    let context = Unmanaged.passRetained(Work(name, body)).toOpaque()
    var thread: UInt = 0
    let status = csystem_start_thread(
      &thread, stackSize,
      { context in
        let work = Unmanaged<Work>.fromOpaque(context!).takeRetainedValue()
        csystem_name_thread(work.name)
        work.body()
        return nil
      }, context)
    guard status == 0 else {
      Unmanaged<Work>.fromOpaque(context).release()
      return nil
    }
    self.thread = thread
  }

  package func join() { pthread_join(thread, nil) }
  func detach() { pthread_detach(thread) }
}
