internal import NodeKit

/// A part of a secret of 32 bytes, of which any `threshold` give the whole, and fewer nothing at all (Shamir, 1979).
/// The secret is cut into five numbers of seven bytes, each of which is shared by itself.
struct SecretShare: Equatable, Sendable {
  static let parts = 5
  private static let partBytes = 7
  /// Of a share that is written down.
  static let size = parts * 8

  var numbers: [FieldNumber]

  /// The shares of places 1 to `count`.
  ///
  /// - Parameter seed: of what makes the secret look like chance; 32 bytes that nobody else knows.
  static func split(
    _ secret: [UInt8], count: Int, threshold: Int, seed: [UInt8]
  ) throws(RoleError) -> [SecretShare] {
    let chance = try SecureKeys.stream(seed, numbers: parts * (threshold - 1) * 2)
    var left = chance.makeIterator()
    // Of 2^61 numbers of 61 bits one is not below the modulus; it stands for zero, which nobody will ever see happen.
    func draw() -> FieldNumber {
      let low = UInt64(left.next() ?? 0), high = UInt64(left.next() ?? 0)
      return FieldNumber(exactly: (low | high << 32) >> 3) ?? .zero
    }
    let polynomials = cut(secret).map { number in [number] + (1..<threshold).map { _ in draw() } }
    return (1...count).map { place in
      SecretShare(numbers: polynomials.map { value(of: $0, at: FieldNumber(place: place)) })
    }
  }

  private static func value(of polynomial: [FieldNumber], at place: FieldNumber) -> FieldNumber {
    polynomial.reversed().reduce(.zero) { $0 * place + $1 }
  }

  private static func cut(_ secret: [UInt8]) -> [FieldNumber] {
    (0..<parts).map { part in
      let bytes = secret[part * partBytes..<min(secret.count, (part + 1) * partBytes)]
      return FieldNumber(exactly: bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }) ?? .zero
    }
  }

  /// The secret again. Nil if the shares are not of one.
  static func join(_ shares: [SecretShare], weights: [FieldNumber]) -> [UInt8]? {
    var secret: [UInt8] = []
    for part in 0..<parts {
      let number = zip(shares, weights).reduce(FieldNumber.zero) { $0 + $1.0.numbers[part] * $1.1 }
      let size = min(partBytes, 32 - secret.count)
      guard number.value >> UInt64(8 * size) == 0 else { return nil }
      for byte in 0..<size { secret.append(UInt8(truncatingIfNeeded: number.value >> UInt64(8 * byte))) }
    }
    return secret
  }

  /// What the shares of these places count in the secret: Lagrange's polynomials at zero. The same for all secrets that
  /// the same places have shares of.
  static func weights(of places: [Int]) -> [FieldNumber] {
    let points = places.map { FieldNumber(place: $0) }
    return points.indices.map { own in
      var above = FieldNumber.one, below = FieldNumber.one
      for other in points.indices where other != own {
        above = above * points[other]
        below = below * (points[other] - points[own])
      }
      return above * below.inverse
    }
  }

  // MARK: Written down

  var bytes: [UInt8] {
    numbers.flatMap { number in (0..<8).map { UInt8(truncatingIfNeeded: number.value >> ($0 * 8)) } }
  }

  init(numbers: [FieldNumber]) { self.numbers = numbers }

  /// Nil if no share is written so.
  init?(_ bytes: some Collection<UInt8>) {
    guard bytes.count == Self.size else { return nil }
    let all = Array(bytes)
    numbers = (0..<Self.parts).compactMap { part in
      FieldNumber(exactly: all[8 * part..<8 * part + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) })
    }
    guard numbers.count == Self.parts else { return nil }
  }
}
