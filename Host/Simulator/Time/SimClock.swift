/// What a node's clocks show, beside the true time of the world.
package struct SimClock {
  /// How much faster than the world the node's clock runs: 1e-4 gains a tenth of a millisecond each second.
  package private(set) var drift = 0.0
  /// Since when it runs so, in the world's time, and what it showed then.
  private var since: Int64 = 0
  private var shown: Int64
  /// What the wall clock is off, besides.
  package var wallError: Int64 = 0
  /// What the monotonic clock shows at the start: machines have been on for different times.
  init(bootedFor: Int64) { shown = bootedFor }

  /// When the world began, on the wall clock: 2026-01-01.
  private static let epoch: Int64 = 1_767_225_600_000_000_000

  package func monotonic(_ now: Int64) -> Int64 { shown + (now - since) + Int64(Double(now - since) * drift) }
  func wall(_ now: Int64) -> Int64 { Self.epoch + now + wallError }

  /// When the node's clock will show `time`; never too early.
  package func worldTime(of time: Int64) -> Int64 {
    let left = Double(time - shown) / (1 + drift)
    var world = since + Int64(left)
    while monotonic(world) < time { world += 1 }
    return world
  }

  package mutating func setDrift(_ drift: Double, at now: Int64) {
    shown = monotonic(now)
    since = now
    self.drift = drift
  }
}
