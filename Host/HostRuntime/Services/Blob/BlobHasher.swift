import Synchronization

/// Hashes what uploads bring, all that are open side by side: on a processor without instructions for SHA-256 ten at
/// once take a little more than one alone. Any thread.
///
/// It goes on by one chunk of each, so that an upload that came alone has company as soon as there is some.
final class BlobHasher: Sendable {
  private struct Job: Sendable {
    // Only its upload has it, and waits.
    nonisolated(unsafe) var digest: ContentDigest
    var chunks: ArraySlice<BlobBuffer>
    var done: @Sendable () -> Void
  }

  private struct State {
    /// At most one for each open upload.
    var waiting: [Job] = []
    var isBusy = false
  }
  private let state = Mutex(State())
  private let pool: any DiskRunner

  init(_ pool: any DiskRunner) { self.pool = pool }

  /// `done` is called on a disk thread, and must not take long: others wait.
  func add(_ chunks: [BlobBuffer], to digest: ContentDigest, then done: @escaping @Sendable () -> Void) {
    let job = Job(digest: digest, chunks: chunks[...], done: done)
    let isFirst = state.withLock { state in
      state.waiting.append(job)
      defer { state.isBusy = true }
      return !state.isBusy
    }
    if isFirst { pool.submit(for: self) { [self] in run() } }
  }

  private func run() {
    var jobs: [Job] = []
    while true {
      let places = ContentDigest.width - jobs.count
      jobs += state.withLock { state in
        let more = state.waiting.prefix(places)
        state.waiting.removeFirst(more.count)
        state.isBusy = !(jobs.isEmpty && more.isEmpty)
        return more
      }
      if jobs.isEmpty { return }
      ContentDigest.update(jobs.map(\.digest), with: jobs.map { $0.chunks.first! })
      for place in jobs.indices { jobs[place].chunks.removeFirst() }
      for job in jobs where job.chunks.isEmpty { job.done() }
      jobs.removeAll { $0.chunks.isEmpty }
    }
  }
}
