/// The name of an object: the SHA-256 of its bytes, in 64 small hexadecimal digits.
package struct BlobName: Sendable, Hashable, Comparable, CustomStringConvertible {
  package static let digestSize = 32

  package let text: String

  package init?(_ text: String) {
    let digits = text.utf8
    guard digits.count == 2 * Self.digestSize,
      digits.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
    else { return nil }
    self.text = text
  }

  package init(digest: [UInt8]) {
    precondition(digest.count == Self.digestSize)
    text = Self.hexadecimal(digest)
  }

  package var description: String { text }

  /// The two folders that it lies in: 65,536 of them keep each small however many objects there are.
  package var folders: (outer: String, inner: String) {
    (String(text.prefix(2)), String(text.dropFirst(2).prefix(2)))
  }

  package static func < (left: Self, right: Self) -> Bool { left.text < right.text }

  package static func hexadecimal(_ bytes: [UInt8]) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
