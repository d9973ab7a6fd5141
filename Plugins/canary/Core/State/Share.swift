internal import NodeKit

/// A part of all requests, in millionths, so that the parts of a state add up to the whole exactly.
public struct Share: Sendable, Hashable, Comparable {
  public static let whole = Share(millionths: 1_000_000)
  public static let none = Share(millionths: 0)

  public let millionths: Int

  public init(millionths: Int) { self.millionths = millionths }

  /// Of a hundred.
  init?(percent: Double) {
    guard (0...100).contains(percent) else { return nil }
    millionths = Int((percent * 10_000).rounded())
  }

  public var percent: Double { Double(millionths) / 10_000 }
  var fraction: Double { Double(millionths) / 1_000_000 }

  public static func < (left: Share, right: Share) -> Bool { left.millionths < right.millionths }

  /// "12.5 %".
  var words: String {
    let number = JSON.double(percent).description
    return "\(number) %"
  }

  /// Parts of `whole` in proportion to `weights`, which add up to it exactly: what rounding leaves goes to the largest
  /// remainders, and of equal ones to the first.
  static func divide(_ whole: Share, by weights: [Int]) -> [Share] {
    let sum = weights.reduce(0, +)
    guard sum > 0 else { return weights.map { _ in .none } }
    var parts = weights.map { $0 * whole.millionths / sum }
    let remainders = weights.enumerated().map { ($0.offset, $0.element * whole.millionths % sum) }
    let order = remainders.sorted { $0.1 == $1.1 ? $0.0 < $1.0 : $0.1 > $1.1 }
    for (place, _) in order.prefix(whole.millionths - parts.reduce(0, +)) { parts[place] += 1 }
    return parts.map { Share(millionths: $0) }
  }
}
