/// The time of a simulated world. While there is one, this process has one thread, all loops read this clock, and all
/// random numbers of the host and its roles come from one seed.
package enum VirtualTime {
  nonisolated(unsafe) package static var isOn = false
  /// What the node that runs now sees on its clocks, in nanoseconds.
  nonisolated(unsafe) package static var monotonic: Int64 = 0
  nonisolated(unsafe) package static var wall: Int64 = 0
  nonisolated(unsafe) package static var random = SeededNumbers(seed: 0)
}

/// xoshiro256**, whose numbers for a seed are the same everywhere.
package struct SeededNumbers: RandomNumberGenerator, Sendable {
  private var state: (UInt64, UInt64, UInt64, UInt64)

  package init(seed: UInt64) {
    var seed = seed
    func next() -> UInt64 {
      seed &+= 0x9E37_79B9_7F4A_7C15
      var mixed = seed
      mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
      return mixed ^ mixed >> 31
    }
    state = (next(), next(), next(), next())
  }

  @inline(__always)
  package mutating func next() -> UInt64 {
    func rotated(_ value: UInt64, _ count: UInt64) -> UInt64 { value << count | value >> (64 - count) }
    let number = rotated(state.1 &* 5, 7) &* 9
    let shifted = state.1 << 17
    state.2 ^= state.0
    state.3 ^= state.1
    state.1 ^= state.2
    state.0 ^= state.3
    state.2 ^= shifted
    state.3 = rotated(state.3, 45)
    return number
  }
}

/// The random numbers of the host itself and of the random service: the system's, or those of the simulated world.
struct HostRandom: RandomNumberGenerator {
  @inline(__always)
  mutating func next() -> UInt64 {
    if VirtualTime.isOn { return VirtualTime.random.next() }
    var system = SystemRandomNumberGenerator()
    return system.next()
  }

  /// Any number.
  static var number: UInt64 {
    var source = HostRandom()
    return source.next()
  }
}
