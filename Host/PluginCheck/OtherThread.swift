import Glibc

/// Runs something on a thread of its own, and waits for it.
enum OtherThread {
  private final class Box<R>: @unchecked Sendable {
    let body: () -> R
    var result: R?
    init(_ body: @escaping () -> R) { self.body = body }
  }

  private class Work: @unchecked Sendable {
    let body: () -> Void
    init(_ body: @escaping () -> Void) { self.body = body }
  }

  static func run<R>(_ body: @escaping () -> R) -> R? { all([body]).first ?? nil }

  /// Each on its own thread, all at once.
  static func all<R>(_ bodies: [() -> R]) -> [R?] {
    let boxes = bodies.map(Box.init)
    let threads = boxes.map { box in start(Work { box.result = box.body() }) }
    for thread in threads { if let thread { pthread_join(thread, nil) } }
    return boxes.map(\.result)
  }

  private static func start(_ work: Work) -> pthread_t? {
    var thread = pthread_t()
    let context = Unmanaged.passRetained(work).toOpaque()
    let status = pthread_create(
      &thread, nil,
      { context in
        Unmanaged<Work>.fromOpaque(context!).takeRetainedValue().body()
        return nil
      }, context)
    if status != 0 { Unmanaged<Work>.fromOpaque(context).release() }
    return status == 0 ? thread : nil
  }
}
