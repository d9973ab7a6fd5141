/// Topics are words joined by dots; a subscription may end in "*" for all that begin so.
package enum TopicPattern {
  package static let lengthLimit = 128

  package static func isTopic(_ text: String) -> Bool {
    let words = text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    return text.utf8.count <= lengthLimit && words.allSatisfy { !$0.isEmpty && $0.allSatisfy(isWordByte) }
  }

  package static func isPattern(_ text: String) -> Bool {
    text == "*" || isTopic(text) || (text.hasSuffix(".*") && isTopic(String(text.dropLast(2))))
  }

  package static func matches(_ pattern: String, _ topic: String) -> Bool {
    guard pattern.utf8.last == UInt8(ascii: "*") else { return pattern == topic }
    return topic.utf8.starts(with: pattern.utf8.dropLast())
  }

  private static func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
      true
    default: false
    }
  }
}
