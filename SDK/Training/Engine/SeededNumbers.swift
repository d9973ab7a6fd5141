/// SplitMix64 (Steele and others, 2014): the same numbers on every machine, since it is nothing but whole numbers.
package struct SeededNumbers: RandomNumberGenerator, Sendable {
  private var state: UInt64

  /// Streams of one seed have nothing to do with each other.
  package init(seed: UInt64, stream: UInt64 = 0) {
    state = Self.mix(seed &+ 0x9E37_79B9_7F4A_7C15) ^ Self.mix(stream &* 0xD1B5_4A32_D192_ED03 &+ 1)
  }

  package mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return Self.mix(state)
  }

  private static func mix(_ word: UInt64) -> UInt64 {
    var word = word
    word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
    word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
    return word ^ (word >> 31)
  }

  /// From 0 up to but not including 1; exact, so that it is the same everywhere.
  package mutating func fraction() -> Float { Float(next() >> 40) * 0x1p-24 }

  /// From 0 up to `limit`.
  package mutating func below(_ limit: Int) -> Int { Int(next().multipliedFullWidth(by: UInt64(limit)).high) }
}
