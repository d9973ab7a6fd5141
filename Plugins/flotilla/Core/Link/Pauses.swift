/// Pauses that double, up to a limit; half of each is left to chance, so that those who lost one broker do not come
/// back at once.
struct Pauses {
  let first: Duration
  let longest: Duration
  private var tries = 0

  init(first: Duration, longest: Duration) { (self.first, self.longest) = (first, longest) }

  /// `fraction`: by chance, from 0 up to 1.
  mutating func next(_ fraction: Double) -> Duration {
    let pause = min(longest, first * (1 << min(tries, 30)))
    tries += 1
    return pause / 2 + pause / 2 * fraction
  }

  mutating func reset() { tries = 0 }
}
