package import CNodeABI
import CSystem
import Glibc
import HostCore
package import Synchronization

/// A function that a role wants run away from its loop.
package final class WorkJob: @unchecked Sendable {
  static let resultLimit = 16 << 20

  let function: nh_work_function
  let job: UnsafeMutableRawPointer?
  /// Told once, on the pool thread or on whoever cancelled the job before it began.
  package let completion: @Sendable (WorkJob, nh_status, [UInt8]) -> Void
  package let isCancelled = Atomic<Bool>(false)
  /// The bits of a Double from 0 to 1.
  private let progressBits = Atomic<UInt64>(0)

  init(
    _ function: @escaping nh_work_function, _ job: UnsafeMutableRawPointer?,
    _ completion: @escaping @Sendable (WorkJob, nh_status, [UInt8]) -> Void
  ) {
    self.function = function
    self.job = job
    self.completion = completion
  }

  var progress: Double {
    get { Double(bitPattern: progressBits.load(ordering: .relaxed)) }
    set { progressBits.store(newValue.bitPattern, ordering: .relaxed) }
  }

  static func at(_ context: UnsafeMutableRawPointer?) -> WorkJob {
    Unmanaged<WorkJob>.fromOpaque(context!).takeUnretainedValue()
  }
}

/// Who runs roles' jobs. Any thread.
package protocol JobRunner: AnyObject, Sendable {
  func submit(_ job: WorkJob, for owner: AnyObject)
  /// Asks a job to end. One that has not begun ends here and now.
  func cancel(_ job: WorkJob, of owner: AnyObject)
  /// Returns when none of the owner's jobs runs any more; they should have been cancelled.
  func waitForRunning(of owner: AnyObject)
  /// No further jobs.
  func end()
}

/// The CPU pool: a thread for each core, from when the first job comes. Roles share it fairly: those that wait take
/// turns, however many jobs each has.
final class WorkPool: JobRunner, @unchecked Sendable {
  /// For deep recursion in C libraries; only touched pages cost memory.
  private static let stackSize = 8 << 20

  private let threadCount: Int
  private let lock: UnsafeMutablePointer<pthread_mutex_t>
  private let hasWork: UnsafeMutablePointer<pthread_cond_t>
  private let hasEnded: UnsafeMutablePointer<pthread_cond_t>
  // Under the lock.
  private var waiting: [(owner: ObjectIdentifier, jobs: [WorkJob])] = []
  private var running: [(owner: ObjectIdentifier, job: WorkJob)] = []
  private var threads: [OwnThread] = []
  private var isEnding = false

  init(threads: Int) {
    threadCount = max(1, threads)
    lock = .allocate(capacity: 1)
    hasWork = .allocate(capacity: 1)
    hasEnded = .allocate(capacity: 1)
    pthread_mutex_init(lock, nil)
    pthread_cond_init(hasWork, nil)
    pthread_cond_init(hasEnded, nil)
  }

  deinit {
    pthread_cond_destroy(hasWork)
    pthread_cond_destroy(hasEnded)
    pthread_mutex_destroy(lock)
    lock.deallocate()
    hasWork.deallocate()
    hasEnded.deallocate()
  }

  private func locked<R>(_ body: () -> R) -> R {
    pthread_mutex_lock(lock)
    defer { pthread_mutex_unlock(lock) }
    return body()
  }

  package func submit(_ job: WorkJob, for owner: AnyObject) {
    locked {
      let id = ObjectIdentifier(owner)
      if let place = waiting.firstIndex(where: { $0.owner == id }) {
        waiting[place].jobs.append(job)
      } else {
        waiting.append((id, [job]))
      }
      if threads.count < threadCount, threads.count <= running.count { startThread() }
      pthread_cond_signal(hasWork)
    }
  }

  /// Asks a job to end. One that has not begun ends here and now.
  package func cancel(_ job: WorkJob, of owner: AnyObject) {
    job.isCancelled.store(true, ordering: .relaxed)
    let wasWaiting = locked {
      guard let place = waiting.firstIndex(where: { $0.owner == ObjectIdentifier(owner) }),
        let index = waiting[place].jobs.firstIndex(where: { $0 === job })
      else { return false }
      waiting[place].jobs.remove(at: index)
      if waiting[place].jobs.isEmpty { waiting.remove(at: place) }
      return true
    }
    if wasWaiting { job.completion(job, NH_CANCELLED, []) }
  }

  /// Returns when none of the owner's jobs runs any more; they should have been cancelled.
  package func waitForRunning(of owner: AnyObject) {
    locked {
      while running.contains(where: { $0.owner == ObjectIdentifier(owner) }) { pthread_cond_wait(hasEnded, lock) }
    }
  }

  /// Ends all threads once they have nothing to do.
  package func end() {
    let threads = locked {
      isEnding = true
      pthread_cond_broadcast(hasWork)
      return self.threads
    }
    for thread in threads { thread.join() }
  }

  // MARK: The threads

  private func startThread() {
    if let thread = OwnThread("work", stackSize: Self.stackSize, { [self] in serve() }) { threads.append(thread) }
  }

  private func serve() {
    while let (owner, job) = take() {
      let (status, result) = job.run()
      locked {
        running.removeAll { $0.job === job }
        pthread_cond_broadcast(hasEnded)
      }
      _ = owner
      job.completion(job, status, result)
    }
  }

  /// The first job of the owner whose turn it is, who then goes to the end of the line.
  private func take() -> (ObjectIdentifier, WorkJob)? {
    locked {
      while waiting.isEmpty, !isEnding { pthread_cond_wait(hasWork, lock) }
      guard !waiting.isEmpty else { return nil }
      var next = waiting.removeFirst()
      let job = next.jobs.removeFirst()
      if !next.jobs.isEmpty { waiting.append(next) }
      running.append((next.owner, job))
      return (next.owner, job)
    }
  }

}

extension WorkJob {
  /// Calls the function, here and now.
  package func run() -> (nh_status, [UInt8]) {
    var context = nh_work_context(
      struct_size: UInt32(MemoryLayout<nh_work_context>.size), revision: NH_ABI_REVISION,
      ctx: Unmanaged.passUnretained(self).toOpaque(),
      is_cancelled: { WorkJob.at($0).isCancelled.load(ordering: .relaxed) ? 1 : 0 },
      progress: { WorkJob.at($0).progress = min(max($1, 0), 1) })
    return SinkRoom.collect(limit: Self.resultLimit) { function(&context, job, $0) }
  }
}
