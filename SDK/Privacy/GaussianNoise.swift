internal import CPrivacy

/// Normal noise out of 32 bytes that nobody else knows, by ChaCha20; with the same bytes it is the same noise.
///
/// As with all noise in floating point, the last bits of what it was added to can show through (Mironov, 2012): against
/// who sees them all, add it before the numbers are rounded for a secure sum.
public struct GaussianNoise: Sendable {
  public static let seedSize = Int(CP_KEY)
  /// Stretches begin at multiples of it.
  public static let step = Int(CP_STEP)

  private let seed: [UInt8]
  public let deviation: Double

  /// - Parameter seed: of ``seedSize`` bytes, from the host's random service; for one use.
  public init(seed: [UInt8], deviation: Double) {
    precondition(seed.count == Self.seedSize && deviation >= 0 && deviation.isFinite)
    (self.seed, self.deviation) = (seed, deviation)
  }

  /// Adds the noise of the places from `first` on.
  public func add(to values: UnsafeMutablePointer<Float>, first: Int = 0, count: Int) {
    precondition(first % Self.step == 0, "noise begins at multiples of \(Self.step)")
    guard count > 0, deviation > 0 else { return }
    precondition(cp_add_noise(seed, deviation, values, UInt64(first), count) == 1, "the library of ciphers fails")
  }
}

/// Shortens an update to a length that is known, so that noise can hide whether it was there.
public enum Clipping {
  /// Of the difference between values and what they began with; nothing is done if it is short enough.
  ///
  /// - Returns: how long it was.
  @discardableResult
  public static func clip(
    _ values: UnsafeMutablePointer<Float>, base: UnsafePointer<Float>? = nil, to length: Double, count: Int
  ) -> Double {
    let norm = cp_square(values, base, count).squareRoot()
    // What is infinite or no number is nobody's update; zeroes are sent instead.
    let factor = norm.isFinite ? length / norm : 0
    if !norm.isFinite {
      for place in 0..<count { values[place] = base?[place] ?? 0 }
    } else if factor < 1 {
      cp_scale(values, base, factor, count)
    }
    return norm
  }
}
