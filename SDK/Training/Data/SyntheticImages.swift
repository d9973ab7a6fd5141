/// Images of 28 x 28 in some classes, made from a seed: for simulated worlds and for trying things out. A class is a
/// handful of soft spots; a sample is its class moved a little, weaker or stronger, with noise. All of it is adding and
/// multiplying, so a seed gives the same bits everywhere.
package struct SyntheticImages: Sendable {
  package static let side = 28
  private static let spots = 6
  /// How far a sample may lie from its class's place.
  private static let shift = 3

  private let patterns: [[Float]]
  private let seed: UInt64

  /// Samples of one seed share their classes, whoever makes them.
  package init(classes: Int = 10, seed: UInt64 = 0) {
    self.seed = seed
    patterns = (0..<classes).map { Self.pattern(seed: seed, number: $0) }
  }

  /// `stream` tells apart who makes samples of the same classes.
  package func samples(_ count: Int, stream: UInt64 = 0, noise: Float = 0.5) -> DataSet {
    var numbers = SeededNumbers(seed: seed, stream: stream &+ 1 << 32)
    var samples: [Float] = [], labels: [Int32] = []
    samples.reserveCapacity(count * Self.side * Self.side)
    for _ in 0..<count {
      let label = numbers.below(patterns.count)
      labels.append(Int32(label))
      Self.add(patterns[label], noise, &numbers, to: &samples)
    }
    guard let set = try? DataSet(shape: SampleShape(1, Self.side, Self.side), samples: samples, labels: labels) else {
      preconditionFailure("as many samples as labels")
    }
    return set
  }

  private static func add(
    _ pattern: [Float], _ noise: Float, _ numbers: inout SeededNumbers, to samples: inout [Float]
  ) {
    let right = numbers.below(2 * shift + 1) - shift, down = numbers.below(2 * shift + 1) - shift
    let strength = 0.7 + 0.6 * numbers.fraction()
    for row in 0..<side {
      for column in 0..<side {
        let y = row - down, x = column - right
        let inside = (0..<side).contains(y) && (0..<side).contains(x)
        let value = inside ? pattern[y * side + x] * strength : 0
        samples.append(value + noise * (2 * numbers.fraction() - 1))
      }
    }
  }

  /// Spots are products of two parabolas that end at zero.
  private static func pattern(seed: UInt64, number: Int) -> [Float] {
    var numbers = SeededNumbers(seed: seed, stream: UInt64(number))
    var pattern = [Float](repeating: 0, count: side * side)
    for _ in 0..<spots {
      let y = Float(5 + numbers.below(18)), x = Float(5 + numbers.below(18))
      let high = Float(3 + numbers.below(4)), wide = Float(3 + numbers.below(4))
      for row in 0..<side {
        for column in 0..<side {
          let down = (Float(row) - y) / high, across = (Float(column) - x) / wide
          pattern[row * side + column] += max(0, 1 - down * down) * max(0, 1 - across * across)
        }
      }
    }
    return pattern
  }
}
