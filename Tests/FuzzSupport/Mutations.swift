import Glibc

/// Gives a fuzz target its seeds, and then some thousand mutations of them, the same in every run. With
/// NODEHOST_LONG_TESTS in the environment it is many times as many.
package func fuzz(_ name: String, mutations: Int = 4000, _ target: ([UInt8]) -> Void) throws {
  let seeds = try Corpus.seeds(name)
  for seed in seeds { target(seed) }
  var mutator = Mutator(seeds: seeds)
  let rounds = getenv("NODEHOST_LONG_TESTS") == nil ? mutations : mutations * 20
  for round in 0..<rounds { target(mutator.mutation(of: seeds[round % seeds.count])) }
}

/// Changes inputs a little, for text and binary formats alike.
private struct Mutator {
  let seeds: [[UInt8]]
  private var random = SeededGenerator(state: 1)

  private static let punctuation = Array("\r\n:;, %0-\"{[()\\".utf8)
  /// Where sizes and offsets go wrong.
  private static let numbers: [UInt64] = [
    0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, .max >> 1, .max - 7, .max,
  ]

  init(seeds: [[UInt8]]) { self.seeds = seeds }

  mutating func mutation(of seed: [UInt8]) -> [UInt8] {
    var bytes = seed
    for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty { change(&bytes) }
    return bytes
  }

  private mutating func change(_ bytes: inout [UInt8]) {
    let place = Int.random(in: 0..<bytes.count, using: &random)
    switch Int.random(in: 0..<7, using: &random) {
    case 0: bytes[place] = .random(in: 0...255, using: &random)
    case 1: bytes.remove(at: place)
    case 2: bytes.insert(Self.punctuation.randomElement(using: &random)!, at: place)
    case 3: bytes.removeSubrange(place...)
    case 4: bytes.insert(contentsOf: bytes[place...].prefix(9), at: place)
    case 5: setNumber(in: &bytes, at: place)
    default: bytes.replaceSubrange(place..., with: seeds.randomElement(using: &random)!)
    }
  }

  /// Overwrites a whole little-endian number, aligned as the fields of a header are.
  private mutating func setNumber(in bytes: inout [UInt8], at place: Int) {
    let size = [2, 4, 8].randomElement(using: &random)!
    let number = Self.numbers.randomElement(using: &random)!
    let start = place / size * size
    for offset in 0..<min(size, bytes.count - start) {
      bytes[start + offset] = UInt8(truncatingIfNeeded: number >> (8 * UInt64(offset)))
    }
  }
}

/// SplitMix64.
private struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
