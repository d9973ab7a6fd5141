import CSystem
import Glibc

/// A thread for one thing that may take any time, such as asking for a name's address. Nobody waits for its end.
enum BackgroundThread {
  private final class Work: Sendable {
    let name: StaticString
    let body: @Sendable () -> Void

    init(_ name: StaticString, _ body: @escaping @Sendable () -> Void) { (self.name, self.body) = (name, body) }
  }

  static func run(named name: StaticString, _ body: @escaping @Sendable () -> Void) {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
    let context = Unmanaged.passRetained(Work(name, body)).toOpaque()
    var thread = pthread_t()
    let status = pthread_create(
      &thread, &attributes,
      { context in
        let work = Unmanaged<Work>.fromOpaque(context!).takeRetainedValue()
        csystem_name_thread("\(work.name)")
        work.body()
        return nil
      }, context)
    // Without a thread it takes its time here; the alternative would be not at all.
    if status != 0 { Unmanaged<Work>.fromOpaque(context).takeRetainedValue().body() }
  }
}
