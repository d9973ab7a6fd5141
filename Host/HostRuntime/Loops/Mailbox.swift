import Synchronization

/// Work for a loop from any thread, taken in the order in which it came. Lock-free: senders push onto
/// a stack with one compare-and-swap, the loop takes the whole stack at once and turns it round.
final class Mailbox: Sendable {
  typealias Work = @Sendable () -> Void

  /// Touched by one thread at a time: its sender until it is pushed, then the loop.
  private final class Letter: @unchecked Sendable {
    let work: Work
    var next: Unmanaged<Letter>?
    init(_ work: @escaping Work) { self.work = work }
  }

  private let newest = Atomic<Unmanaged<Letter>?>(nil)

  func push(_ work: @escaping Work) {
    let letter = Letter(work)
    let reference = Unmanaged.passRetained(letter)
    var head = newest.load(ordering: .relaxed)
    while true {
      letter.next = head
      let (done, seen) = newest.compareExchange(
        expected: head, desired: reference, successOrdering: .sequentiallyConsistent, failureOrdering: .relaxed)
      if done { return }
      head = seen
    }
  }

  var isEmpty: Bool { newest.load(ordering: .sequentiallyConsistent) == nil }

  /// Runs all that has come so far; what comes meanwhile waits for the next time. Returns how much.
  func runAll() -> Int {
    var newestFirst = newest.exchange(nil, ordering: .acquiring)
    var oldestFirst: Unmanaged<Letter>?
    while let letter = newestFirst {
      newestFirst = letter.takeUnretainedValue().next
      letter.takeUnretainedValue().next = oldestFirst
      oldestFirst = letter
    }
    var count = 0
    while let reference = oldestFirst {
      let letter = reference.takeRetainedValue()
      oldestFirst = letter.next
      letter.work()
      count += 1
    }
    return count
  }

  func removeAll() {
    var next = newest.exchange(nil, ordering: .acquiring)
    while let reference = next { next = reference.takeRetainedValue().next }
  }

  deinit { removeAll() }
}
