/// Pauses that double, up to a limit; of each the second half is left to chance, so that many nodes that lost the same
/// gateway do not come back at once.
package struct Backoff: Sendable {
  private let first: Duration
  private let longest: Duration
  private var tries = 0

  package init(first: Duration, longest: Duration) { (self.first, self.longest) = (first, longest) }

  /// `fraction`: by chance, from 0 up to 1.
  package mutating func next(_ fraction: Double) -> Duration {
    // Beyond 2^30 the limit has long been met.
    let pause = min(longest, first * (1 << min(tries, 30)))
    tries += 1
    return pause / 2 + pause / 2 * fraction
  }

  package mutating func reset() { tries = 0 }
}
