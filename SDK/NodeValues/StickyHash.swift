/// Leads each key to one of several weighted places, the same one on every node, in every run and at every build.
///
/// Weighted rendezvous hashing: each place draws a number for the key, and the least number divided by the weight
/// wins. When a place goes, only its own keys move; when a weight grows, keys move only to it, as many as its share
/// grows by. When shares change in any other way, at most 2d / (1 + d) of the keys move, where d is the sum of what
/// shares grow by and the least that any method can do (Bavarian and others, The Optimality of Correlated Sampling,
/// 2016).
///
/// The hash of key and place is FNV-1a (64 bits) of each, mixed by the finaliser of SplitMix64; the draw is -ln(u), u
/// in (0, 1).
public struct StickyHash: Sendable {
  public let seed: UInt64

  /// For a place, by its id.
  public init(place: String) { seed = Self.fnv(Array(place.utf8)) }

  /// Less is better. `weight` is above 0.
  @inlinable @inline(__always)
  public func draw(_ key: UInt64, weight: Double) -> Double {
    // 53 bits, and half a step so that it is never 0.
    let unit = (Double(Self.mix(key ^ Self.mix(seed)) >> 11) + 0.5) * 0x1p-53
    return Self.negativeLogarithm(unit) / weight
  }

  @inlinable
  public static func key(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
    return hash
  }

  private static func fnv(_ bytes: [UInt8]) -> UInt64 { bytes.withUnsafeBytes { key($0) } }

  @inlinable @inline(__always)
  static func mix(_ number: UInt64) -> UInt64 {
    var number = number &+ 0x9E37_79B9_7F4A_7C15
    number = (number ^ number >> 30) &* 0xBF58_476D_1CE4_E5B9
    number = (number ^ number >> 27) &* 0x94D0_49BB_1331_11EB
    return number ^ number >> 31
  }

  /// From additions, multiplications and divisions alone, whose results are the same on every machine. Right to 1e-9,
  /// which is enough to draw by, and all that a request should cost.
  @inlinable @inline(__always)
  static func negativeLogarithm(_ unit: Double) -> Double {
    let exponent = Double(unit.exponent)
    let t = (unit.significand - 1) / (unit.significand + 1)
    let square = t * t
    var series = 1.0 / 15
    series = series * square + 1.0 / 13
    series = series * square + 1.0 / 11
    series = series * square + 1.0 / 9
    series = series * square + 1.0 / 7
    series = series * square + 1.0 / 5
    series = series * square + 1.0 / 3
    series = series * square + 1
    return -(exponent * 0.693_147_180_559_945_3 + 2 * t * series)
  }
}
