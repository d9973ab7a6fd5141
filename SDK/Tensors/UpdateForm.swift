/// What an update looks like on its way: what is left out of it, and how the rest is written.
public struct UpdateForm: Sendable, Hashable {
  public enum Numbers: String, Sendable, CaseIterable {
    case f32, f16, bf16
    /// Whole numbers with a scale for each 1,024 of them, to the nearest.
    case int8
    /// The same up or down by chance, so that the mean of many clients is right (QSGD, Alistarh and others, 2017).
    case qsgd
  }

  public var numbers: Numbers
  /// The share of numbers that are sent, those of the greatest magnitude; nil is all.
  public var top: Double?
  /// Sent as the difference to what the client was given.
  public var isDelta: Bool
  /// Of zstd; nil is none.
  public var zstd: Int?

  public init(_ numbers: Numbers = .f32, top: Double? = nil, isDelta: Bool = false, zstd: Int? = nil) {
    (self.numbers, self.top, self.zstd) = (numbers, top.map { min(max($0, 1e-6), 1) }, zstd)
    // Of whole weights the greatest would say nothing about the others.
    self.isDelta = isDelta || top != nil
  }

  public static let plain = UpdateForm()

  /// It leaves something out, which the next update makes up for.
  public var isLossy: Bool { top != nil || numbers != .f32 }

  /// `f32`, `f16+delta+zstd3`, `int8+top0.01`: what two sides agree on.
  public var text: String {
    var words = [numbers.rawValue]
    if let top { words.append("top\(top)") } else if isDelta { words.append("delta") }
    if let zstd { words.append("zstd\(zstd)") }
    return words.joined(separator: "+")
  }

  public init(_ text: String) throws(TensorError) {
    var words = text.split(separator: "+", omittingEmptySubsequences: false).map(String.init)
    guard let numbers = Numbers(rawValue: words.removeFirst()) else {
      throw TensorError("`\(text)` is no form of an update: it begins with f32, f16, bf16, int8 or qsgd")
    }
    self.init(numbers)
    for word in words {
      if word == "delta" {
        isDelta = true
      } else if word.hasPrefix("top"), let share = Double(word.dropFirst(3)), share > 0, share <= 1 {
        self = UpdateForm(numbers, top: share, zstd: zstd)
      } else if word.hasPrefix("zstd"), let level = Int(word.dropFirst(4)), (1...19).contains(level) {
        zstd = level
      } else {
        throw TensorError("`\(word)` in `\(text)` is none of delta, top0.01 (a share) and zstd3 (a level, 1 to 19)")
      }
    }
  }
}
