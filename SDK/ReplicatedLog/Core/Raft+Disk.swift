/// What is to go to the disk, all or nothing.
package struct Write: Equatable, Sendable {
  package var promise: Promise?
  package var snapshot: Snapshot?
  /// The index of the first of `entries`.
  package var first: UInt64 = 0
  package var entries: [Entry] = []
  /// Entries on the disk that were replaced by fewer.
  package var stale: ClosedRange<UInt64>?

  package init() {}
}

/// What of a member's state the disk has.
struct DiskProgress: Equatable, Sendable {
  /// Entries up to here are on the disk, as they are in the log.
  private(set) var durable: UInt64 = 0
  /// Entries up to here were given to it.
  private(set) var given: UInt64 = 0
  /// The disk may have entries up to here.
  private(set) var reached: UInt64 = 0
  var isSnapshotNew = false
  private var isPromiseNew = false
  private(set) var isPromiseDurable = true
  /// While the disk works, what it works on.
  private(set) var writing: Writing?

  struct Writing: Equatable, Sendable {
    var last: UInt64
    var lastTerm: UInt64
    var hasPromise: Bool
  }

  init(durable: UInt64 = 0, isPromiseNew: Bool = false) {
    self.durable = durable
    given = durable
    reached = durable
    self.isPromiseNew = isPromiseNew
    isPromiseDurable = !isPromiseNew
  }

  mutating func promiseChanged() {
    isPromiseNew = true
    isPromiseDurable = false
  }

  mutating func truncated(from index: UInt64) {
    durable = min(durable, index - 1)
    given = min(given, index - 1)
  }

  /// A snapshot up to `index` stands for all before.
  mutating func skipped(to index: UInt64) {
    given = max(given, index)
    reached = max(reached, index)
    isSnapshotNew = true
  }

  mutating func take(_ log: EntryList, _ promise: Promise, _ snapshot: Snapshot?, _ settings: RaftSettings) -> Write? {
    guard writing == nil, isPromiseNew || isSnapshotNew || given < log.lastIndex else { return nil }
    var write = Write()
    if isPromiseNew { write.promise = promise }
    #if BROKEN_FORGETS_VOTE
      write.promise?.vote = nil
    #endif
    if isSnapshotNew { write.snapshot = snapshot }
    write.first = given + 1
    write.entries = log.slice(
      from: write.first, through: log.lastIndex, room: settings.writeBytes, count: settings.batchEntries)
    let last = given + UInt64(write.entries.count)
    if reached > last { write.stale = last + 1...reached }
    writing = Writing(last: last, lastTerm: log.term(at: last) ?? 0, hasPromise: isPromiseNew)
    (isPromiseNew, isSnapshotNew) = (false, false)
    (given, reached) = (last, last)
    return write
  }

  /// The disk has it. The log may have changed meanwhile, and then the next write says so.
  mutating func done(_ log: EntryList) {
    guard let writing else { return }
    self.writing = nil
    if writing.hasPromise, !isPromiseNew { isPromiseDurable = true }
    if writing.last <= given, log.term(at: writing.last) == writing.lastTerm { durable = max(durable, writing.last) }
  }
}

extension Raft {
  /// What to write now; nil if there is nothing, or the last is not done yet.
  package mutating func takeWrite() -> Write? { disk.take(log, promise, snapshot, settings) }

  /// What ``takeWrite()`` gave is on the disk.
  package mutating func written() {
    disk.done(log)
    if disk.isPromiseDurable {
      outbox += held
      held = []
      countOwnVote()
    }
    if role == .leader { commitByMajority() } else { acknowledge() }
  }

  /// Up to where the log is on this member's disk.
  package var durable: UInt64 { disk.durable }
}
