/// Numbers that a seed repeats: SplitMix64.
struct SeededNumbers: RandomNumberGenerator {
  private var state: UInt64

  /// `stream` keeps apart what one seed is used for.
  init(seed: UInt64, stream: UInt64 = 0) { state = seed &+ stream &* 0xD1B5_4A32_D192_ED03 }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}
