/// Whole numbers modulo 2^61 - 1, in which secrets are shared: each share is a few of them, and there are more places
/// than there will ever be trainers.
struct FieldNumber: Equatable, Sendable {
  static let modulus: UInt64 = (1 << 61) - 1
  /// Below the modulus.
  let value: UInt64

  static let zero = FieldNumber(reduced: 0)
  static let one = FieldNumber(reduced: 1)

  private init(reduced value: UInt64) { self.value = value }

  /// Nil if it is the modulus or more, which no number is written as.
  init?(exactly value: UInt64) {
    guard value < Self.modulus else { return nil }
    self.value = value
  }

  init(place: Int) { value = UInt64(place) % Self.modulus }

  static func + (left: Self, right: Self) -> Self {
    let sum = left.value + right.value
    return Self(reduced: sum >= modulus ? sum - modulus : sum)
  }

  static func - (left: Self, right: Self) -> Self {
    Self(reduced: left.value >= right.value ? left.value - right.value : left.value + modulus - right.value)
  }

  /// 2^61 counts as 1, so the product's upper part is added to its lower one.
  static func * (left: Self, right: Self) -> Self {
    let product = left.value.multipliedFullWidth(by: right.value)
    let sum = (product.low & modulus) + (product.high << 3 | product.low >> 61)
    return Self(reduced: sum >= modulus ? sum - modulus : sum)
  }

  /// By Fermat's little theorem: to the power of the modulus less two. Of zero it is zero.
  var inverse: Self {
    var result = Self.one, square = self, exponent = Self.modulus - 2
    while exponent > 0 {
      if exponent & 1 == 1 { result = result * square }
      square = square * square
      exponent >>= 1
    }
    return result
  }
}
