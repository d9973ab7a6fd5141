/// Chance that repeats: the same session draws the same in the same round, also when it is resumed on another machine.
/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Dice: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64, round: Int, purpose: UInt64 = 0) {
    state = seed ^ UInt64(truncatingIfNeeded: round) &* 0x9E37_79B9_7F4A_7C15 ^ purpose << 48
    // Seeds that differ in a bit begin alike.
    _ = next()
  }

  /// A seed for what one trainer does with one model.
  static func mixed(_ seed: UInt64, _ trainer: String, _ version: Int) -> UInt64 {
    var name: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in trainer.utf8 { name = (name ^ UInt64(byte)) &* 0x100_0000_01B3 }
    var dice = Dice(seed: seed ^ name, round: version, purpose: 2)
    return dice.next()
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }

  /// From 0 up to but not including 1.
  mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

  /// `count` different places of `weights`, each drawn in proportion to its weight among those that are left.
  mutating func draw(_ count: Int, weights: [Double]) -> [Int] {
    var left = weights.map { max(0, $0) }, drawn: [Int] = []
    while drawn.count < min(count, weights.count) {
      let sum = left.reduce(0, +)
      // None of the others weighs anything: they are equal then.
      if sum <= 0 { for place in left.indices where !drawn.contains(place) { left[place] = 1 } }
      var point = unit() * (sum > 0 ? sum : Double(weights.count - drawn.count))
      var place = left.firstIndex { $0 > 0 }!
      for candidate in left.indices where left[candidate] > 0 {
        place = candidate
        point -= left[candidate]
        if point < 0 { break }
      }
      drawn.append(place)
      left[place] = 0
    }
    return drawn
  }
}
