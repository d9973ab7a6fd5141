/// How long to wait before trying again: doubling from `first` to `most`, each with up to a quarter
/// taken off at random, so that many who failed together do not all come back together.
package struct Backoff: Sendable, Equatable {
  package var firstMilliseconds: Int64
  package var mostMilliseconds: Int64

  package init(firstMilliseconds: Int64, mostMilliseconds: Int64) {
    self.firstMilliseconds = firstMilliseconds
    self.mostMilliseconds = mostMilliseconds
  }

  /// `failures` counts from 1; `random` is any number, and decides the jitter.
  package func delayMilliseconds(failures: Int, random: UInt64) -> Int64 {
    let doublings = min(max(failures - 1, 0), 30)
    let (product, overflow) = firstMilliseconds.multipliedReportingOverflow(by: 1 << Int64(doublings))
    let full = overflow ? mostMilliseconds : min(product, mostMilliseconds)
    let jitter = full / 4
    return full - (jitter > 0 ? Int64(random % UInt64(jitter + 1)) : 0)
  }
}
