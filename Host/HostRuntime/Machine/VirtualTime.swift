import CSystem

/// The clocks and the random numbers of a simulated world, on the thread that runs it: there the host and its roles
/// see them in the place of the machine's.
package enum VirtualTime {
  /// The world's own room, of which this thread knows while it runs.
  package final class Room {
    private let world = UnsafeMutablePointer<csystem_world>.allocate(capacity: 1)

    package init(seed: UInt64) {
      world.initialize(to: csystem_world())
      var source = SplitNumbers(seed: seed)
      world.pointee.random = (source.next(), source.next(), source.next(), source.next())
    }

    deinit {
      leave()
      world.deallocate()
    }

    package func enter() { csystem_enter_world(world) }
    /// What is done now belongs to the machine and not to the world.
    package func leave() { if csystem_world_here() == world { csystem_enter_world(nil) } }

    package func show(monotonic: Int64, wall: Int64) {
      world.pointee.monotonic = monotonic
      world.pointee.wall = wall
    }
  }

  /// What the real machine does takes no time of the world's.
  package static func outside<R, Failure: Error>(_ body: () throws(Failure) -> R) throws(Failure) -> R {
    let world = csystem_world_here()
    csystem_enter_world(nil)
    defer { csystem_enter_world(world) }
    return try body()
  }

  package static var isOn: Bool { csystem_world_here() != nil }
  @inline(__always)
  static var monotonic: Int64? { csystem_world_here()?.pointee.monotonic }
  static var wall: Int64? { csystem_world_here()?.pointee.wall }
}

/// Numbers that begin a generator's state.
struct SplitNumbers {
  private var seed: UInt64
  init(seed: UInt64) { self.seed = seed }

  mutating func next() -> UInt64 {
    seed &+= 0x9E37_79B9_7F4A_7C15
    var mixed = seed
    mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
    return mixed ^ mixed >> 31
  }
}

/// xoshiro256**, whose numbers for a seed are the same everywhere.
package struct SeededNumbers: RandomNumberGenerator, Sendable {
  typealias State = (UInt64, UInt64, UInt64, UInt64)
  private var state: State

  package init(seed: UInt64) {
    var source = SplitNumbers(seed: seed)
    state = (source.next(), source.next(), source.next(), source.next())
  }

  package mutating func next() -> UInt64 { Self.next(&state) }

  @inline(__always)
  static func next(_ state: inout State) -> UInt64 {
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

/// The random numbers of the host itself and of the random service: the system's, or those of a simulated world.
struct HostRandom: RandomNumberGenerator {
  @inline(__always)
  mutating func next() -> UInt64 {
    if let world = csystem_world_here() { return SeededNumbers.next(&world.pointee.random) }
    var system = SystemRandomNumberGenerator()
    return system.next()
  }

  /// Any number.
  static var number: UInt64 {
    var source = HostRandom()
    return source.next()
  }
}
