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
  /// From so many open uploads on, company is worth waiting for; beyond the other number, what waits takes memory.
  private static let company = 3...64
  private static let chunksInCompany = 8

  private let state = Mutex(State())
  private let open = Atomic<Int>(0)
  private let pool: any DiskRunner

  init(_ pool: any DiskRunner) { self.pool = pool }

  /// An upload has begun, or is over.
  func uploads(changeBy count: Int) { open.add(count, ordering: .relaxed) }

  /// How many chunks an upload had better bring at a time. With few of them it is mostly alone here.
  var chunksOfTurn: Int { Self.company.contains(open.load(ordering: .relaxed)) ? Self.chunksInCompany : 1 }

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
