internal import CNodeABI

/// Functions on the node's CPU pool, for what takes longer than a callback should, which is a millisecond: hashing,
/// compressing, training. They run on other threads, and touch nothing but what they were given.
public struct Work {
  let link: HostLink

  /// Runs `body` on the pool; `done` gets on the role's loop what it returned or threw:
  ///
  ///     try context.work.run { job in try digest(of: picture, progress: job.report) } then: { result in … }
  ///
  /// At most 1,024 jobs of a role wait at a time.
  @discardableResult
  public func run<Answer: Sendable>(
    _ body: @escaping @Sendable (PoolThread) throws -> Answer,
    then done: @escaping (Result<Answer, RoleError>) throws -> Void
  ) throws -> PoolJob {
    let service = try link.workService
    let box = JobBox(body)
    // The entry keeps the box, which the pool uses until the reply has come.
    let entry = CallEntry(what: "the closure for a job of the pool") { outcome in
      try done(
        outcome.flatMap { _ in box.outcome ?? .failure(RoleError(.internal, "the job ended without an outcome")) })
    }
    let token = link.calls.insert(entry)
    let typed: nh_work_function = { runOnPool($0, $1, $2) }
    let function = unsafeBitCast(typed, to: nh_function.self)
    let handle = service.pointee.submit(
      service.pointee.ctx, function, Unmanaged<AnyJobBox>.passUnretained(box).toOpaque(), token)
    guard handle != 0 else {
      link.calls.remove(token)
      throw RoleError(.resourceExhausted, "the role has too many jobs waiting; submit fewer at a time")
    }
    link.calls[token]?.handle = handle
    return PoolJob(link: link, handle: handle, token: token)
  }
}

/// A job that was submitted.
public struct PoolJob {
  let link: HostLink
  let handle: nh_handle
  let token: UInt64

  /// Asks it to end. If it has not begun it never will; its closure gets ``Status/cancelled`` unless it had ended.
  public func cancel() {
    guard link.calls[token] != nil, let service = try? link.workService else { return }
    _ = service.pointee.cancel(service.pointee.ctx, handle)
  }
}

/// The thread that a job runs on, seen from the job.
public struct PoolThread {
  fileprivate let context: UnsafePointer<nh_work_context>

  /// Once true, the job should return soon.
  public var isCancelled: Bool { context.pointee.is_cancelled(context.pointee.ctx) != 0 }

  /// Throws if the job should return.
  public func checkCancellation() throws {
    if isCancelled { throw RoleError(.cancelled, "the job was cancelled") }
  }

  /// How much is done, from 0 to 1.
  public func report(_ done: Double) { context.pointee.progress(context.pointee.ctx, done) }
}

/// A closure and what came of it, without its type.
private class AnyJobBox: @unchecked Sendable {
  func run(_ thread: PoolThread) -> nh_status { NH_UNIMPLEMENTED }
}

private final class JobBox<Answer: Sendable>: AnyJobBox, @unchecked Sendable {
  private let body: @Sendable (PoolThread) throws -> Answer
  /// Written on the pool, read on the loop after the reply, which comes later.
  private(set) var outcome: Result<Answer, RoleError>?

  init(_ body: @escaping @Sendable (PoolThread) throws -> Answer) { self.body = body }

  /// What the body threw comes as its outcome, so the host need not carry it.
  override func run(_ thread: PoolThread) -> nh_status {
    outcome = Result { try body(thread) }.mapError { RoleError($0) }
    return NH_OK
  }
}

private func runOnPool(
  _ context: UnsafePointer<nh_work_context>, _ job: UnsafeMutableRawPointer?, _ result: UnsafePointer<nh_sink>
) -> nh_status {
  guard let job else { return NH_INVALID_ARGUMENT }
  return Unmanaged<AnyJobBox>.fromOpaque(job).takeUnretainedValue().run(PoolThread(context: context))
}
