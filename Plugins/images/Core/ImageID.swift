internal import NodeKit

/// The name of an image: the SHA-256 of its bytes. Ordered as its digits are.
public struct ImageID: Sendable, Hashable, Comparable, CustomStringConvertible {
  private let words: (UInt64, UInt64, UInt64, UInt64)

  static let size = 32

  /// 64 small hexadecimal digits; nil for all else.
  public init?(_ text: some StringProtocol) {
    let digits = text.utf8
    guard digits.count == 2 * Self.size else { return nil }
    var words: [UInt64] = [0, 0, 0, 0]
    for (place, digit) in digits.enumerated() {
      let value: UInt8
      switch digit {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): value = digit - UInt8(ascii: "0")
      case UInt8(ascii: "a")...UInt8(ascii: "f"): value = digit - UInt8(ascii: "a") + 10
      default: return nil
      }
      words[place / 16] = words[place / 16] << 4 | UInt64(value)
    }
    self.words = (words[0], words[1], words[2], words[3])
  }

  init(from reader: inout ByteReader) throws(MalformedBytes) {
    words = (try reader.number(), try reader.number(), try reader.number(), try reader.number())
  }

  var parts: [UInt64] { [words.0, words.1, words.2, words.3] }
  /// What it begins with, by which entries are kept and compared.
  var bucket: Int { Int(words.0 >> 56) }

  public var description: String {
    parts.map { part in
      let digits = String(part, radix: 16)
      return String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }.joined()
  }

  /// As log lines show it.
  var short: String { String(description.prefix(12)) }

  public static func == (left: ImageID, right: ImageID) -> Bool { left.words == right.words }
  public static func < (left: ImageID, right: ImageID) -> Bool { left.words < right.words }

  public func hash(into hasher: inout Hasher) {
    // It is a digest already.
    hasher.combine(words.1)
  }
}
