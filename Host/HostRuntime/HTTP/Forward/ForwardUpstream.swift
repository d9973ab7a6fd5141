import HostCore
import NodeValues
import Synchronization

/// What a node knows about one upstream of a forward table, whichever loop found it out. Stays when a new table takes
/// the old one's place.
final class ForwardUpstream: Sendable {
  let plan: ForwardTable.Upstream
  let hash: StickyHash
  let tls: ClientTLS?
  /// One for each loop that the listener lives on.
  let counts: [ForwardCounts]
  private let healthy = Atomic<Bool>(true)
  /// On the monotonic clock; 0 is not ejected.
  private let ejectedUntil = Atomic<Int64>(0)
  private let failuresInRow = Atomic<Int>(0)
  /// Shared by the same place's objects under all weights. Kept only where there is a limit.
  private let open: OpenRequests

  init(_ plan: ForwardTable.Upstream, tls: ClientTLS?, loops: Int) {
    self.plan = plan
    self.tls = tls
    hash = StickyHash(place: plan.id)
    open = OpenRequests()
    counts = (0..<loops).map { _ in ForwardCounts() }
  }

  /// The same place under another weight.
  init(_ plan: ForwardTable.Upstream, keeping old: ForwardUpstream) {
    self.plan = plan
    tls = old.tls
    hash = old.hash
    counts = old.counts
    open = old.open
    healthy.store(old.isHealthy, ordering: .relaxed)
    ejectedUntil.store(old.ejectedUntil.load(ordering: .relaxed), ordering: .relaxed)
    failuresInRow.store(old.failuresInRow.load(ordering: .relaxed), ordering: .relaxed)
  }

  var address: ClientAddress { ClientAddress(plan.url, tls: tls) }

  // MARK: Any thread

  var isHealthy: Bool { healthy.load(ordering: .relaxed) }
  func become(healthy: Bool) { self.healthy.store(healthy, ordering: .relaxed) }

  @inline(__always)
  func isEjected(_ now: Int64) -> Bool {
    let until = ejectedUntil.load(ordering: .relaxed)
    return until != 0 && until > now
  }

  var openRequests: Int { open.count.load(ordering: .relaxed) }
  func requestBegins() { open.count.add(1, ordering: .relaxed) }
  func requestEnds() { open.count.subtract(1, ordering: .relaxed) }

  func noteSuccess() {
    // Read first: a line of memory that nobody writes is shared by all cores at no cost.
    if failuresInRow.load(ordering: .relaxed) != 0 { failuresInRow.store(0, ordering: .relaxed) }
    if ejectedUntil.load(ordering: .relaxed) != 0 { ejectedUntil.store(0, ordering: .relaxed) }
  }

  /// How many there were in a row. They go on counting after an ejection: the next failure ejects again.
  func noteFailure() -> Int { failuresInRow.add(1, ordering: .relaxed).newValue }

  func eject(until time: Int64) { ejectedUntil.store(time, ordering: .relaxed) }
}

private final class OpenRequests: Sendable {
  let count = Atomic<Int>(0)
}

/// What one loop has counted of one upstream since it was last asked.
final class ForwardCounts: @unchecked Sendable {
  /// Of the time to the head of an answer, in microseconds; each bound is included in its bucket, the last has none.
  static let bounds: [Int64] =
    [100, 1_000, 10_000, 100_000, 1_000_000].flatMap { decade in
      [10, 15, 20, 25, 30, 40, 50, 60, 75].map { Int64($0) * decade / 10 }
    } + [10_000_000]

  struct Values {
    var requests = 0
    /// By the first digit of the status.
    var answers = [Int](repeating: 0, count: 6)
    var failures = 0
    var retries = 0
    var ejections = 0
    var latencies = [Int](repeating: 0, count: ForwardCounts.bounds.count + 1)
    /// Of copies: whose answer has another status than the original's, and who were slower by half.
    var differing = 0
    var slower = 0
    /// Of the originals that copies were compared with; empty where there were none.
    var originals: [Int] = []

    static func += (left: inout Values, right: Values) {
      left.requests += right.requests
      left.failures += right.failures
      left.retries += right.retries
      left.ejections += right.ejections
      left.differing += right.differing
      left.slower += right.slower
      for place in left.answers.indices { left.answers[place] += right.answers[place] }
      for place in left.latencies.indices { left.latencies[place] += right.latencies[place] }
      if left.originals.isEmpty {
        left.originals = right.originals
      } else {
        for (place, count) in right.originals.enumerated() { left.originals[place] += count }
      }
    }

    var isEmpty: Bool {
      requests == 0 && failures == 0 && retries == 0 && ejections == 0 && differing == 0 && originals.isEmpty
    }
  }

  // The loop's.
  var values = Values()

  func note(status: Int, nanoseconds: Int64) {
    values.answers[min(max(status / 100, 0), 5)] += 1
    values.latencies[Self.bucket(nanoseconds)] += 1
  }

  /// Of the original, where these are a mirror's.
  func noteOriginal(nanoseconds: Int64) {
    if values.originals.isEmpty { values.originals = [Int](repeating: 0, count: Self.bounds.count + 1) }
    values.originals[Self.bucket(nanoseconds)] += 1
  }

  private static func bucket(_ nanoseconds: Int64) -> Int {
    let microseconds = nanoseconds / 1_000
    var low = 0, high = bounds.count
    while low < high {
      let middle = (low + high) / 2
      if bounds[middle] < microseconds { low = middle + 1 } else { high = middle }
    }
    return low
  }

  func take() -> Values {
    defer { values = Values() }
    return values
  }
}
