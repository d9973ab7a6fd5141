/// Lets `${NAME}` stand unquoted inside `{ }` and `[ ]`, where YAML would take its braces for structure.
///
/// The braces and commas of each reference are exchanged for characters that no text may hold (Unicode keeps U+FDD0 to
/// U+FDEF out of all interchange, and the reader refuses them), one for one, so that columns stay right; the scalars
/// that come out are changed back.
struct YamlMask {
  let bytes: [UInt8]
  private let isUsed: Bool

  /// A longer reference is left alone.
  private static let referenceLimit = 4_096

  init(_ text: [UInt8]) {
    guard text.contains(UInt8(ascii: "$")) else {
      bytes = text
      isUsed = false
      return
    }
    var masked: [UInt8] = []
    masked.reserveCapacity(text.count + 64)
    var offset = 0
    while offset < text.count {
      guard text[offset] == UInt8(ascii: "$"), let end = Self.end(ofReferenceAt: offset, in: text) else {
        masked.append(text[offset])
        offset += 1
        continue
      }
      for byte in text[offset...end] { Self.append(byte, to: &masked) }
      offset = end + 1
    }
    bytes = masked
    isUsed = true
  }

  /// The offset of the closing brace on the same line.
  private static func end(ofReferenceAt offset: Int, in text: [UInt8]) -> Int? {
    guard offset + 1 < text.count, text[offset + 1] == UInt8(ascii: "{") else { return nil }
    for place in (offset + 2)..<max(offset + 2, min(text.count, offset + referenceLimit)) {
      switch text[place] {
      case UInt8(ascii: "}"): return place
      case UInt8(ascii: "\n"), UInt8(ascii: "\r"): return nil
      default: break
      }
    }
    return nil
  }

  /// U+FDD0 and the two that follow it.
  private static func append(_ byte: UInt8, to masked: inout [UInt8]) {
    switch byte {
    case UInt8(ascii: "{"): masked += [0xEF, 0xB7, 0x90]
    case UInt8(ascii: "}"): masked += [0xEF, 0xB7, 0x91]
    case UInt8(ascii: ","): masked += [0xEF, 0xB7, 0x92]
    default: masked.append(byte)
    }
  }

  func unmasked(_ bytes: UnsafeBufferPointer<UInt8>) -> String {
    guard isUsed, bytes.contains(0xEF) else { return String(decoding: bytes, as: UTF8.self) }
    var text = String.UnicodeScalarView()
    // What was masked always begins with a dollar sign; the same character elsewhere came from an escape.
    var isReference = false
    for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
      switch scalar.value {
      case 0xFDD0 where isReference || text.last == "$":
        text.append("{")
        isReference = true
      case 0xFDD1 where isReference:
        text.append("}")
        isReference = false
      case 0xFDD2 where isReference: text.append(",")
      default: text.append(scalar)
      }
    }
    return String(text)
  }
}
