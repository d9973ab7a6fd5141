/// The first byte that cannot stand in a text for people, and why.
package struct UnreadableByte: Sendable, Equatable {
  package var offset: Int
  package var message: String
}

extension SourceText {
  /// UTF-8 without control characters, checked here because libyaml tells neither line nor column of such a fault.
  package var firstUnreadable: UnreadableByte? {
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
      return UnreadableByte(offset: 0, message: "the text is UTF-16; save it as UTF-8")
    }
    return bytes.withUnsafeBufferPointer { bytes in
      var offset = 0
      while offset < bytes.count {
        let byte = bytes[offset]
        if (byte >= 0x20 && byte < 0x7F) || byte == 0x0A {
          offset += 1
          continue
        }
        guard let scalar = Self.scalar(in: bytes, at: offset) else {
          return UnreadableByte(offset: offset, message: "the byte 0x\(hex(UInt32(byte))) is not UTF-8")
        }
        if !Self.isReadable(scalar.value, at: offset) {
          let code = "U+" + hex(scalar.value, digits: 4)
          return UnreadableByte(offset: offset, message: "the character \(code) cannot stand in YAML as it is")
        }
        offset += scalar.length
      }
      return nil
    }
  }

  /// The printable set of YAML 1.1, and neither the byte-order mark later on nor the non-characters which the reader
  /// uses to mark `${…}`.
  static func isReadable(_ scalar: UInt32, at offset: Int) -> Bool {
    switch scalar {
    case 0x09, 0x0A, 0x0D, 0x20...0x7E, 0x85: true
    case 0xFEFF: offset == 0
    case 0xFDD0...0xFDEF: false
    case 0xA0...0xFFFD, 0x10000...: true
    default: false
    }
  }

  /// Decodes one scalar; nil if it is cut short, overlong, a surrogate or beyond Unicode.
  private static func scalar(in bytes: UnsafeBufferPointer<UInt8>, at offset: Int) -> (value: UInt32, length: Int)? {
    let first = bytes[offset]
    let length: Int
    switch first {
    case 0..<0x80: return (UInt32(first), 1)
    case 0xC2...0xDF: length = 2
    case 0xE0...0xEF: length = 3
    case 0xF0...0xF4: length = 4
    default: return nil
    }
    guard offset + length <= bytes.count else { return nil }
    var value = UInt32(first) & (0x7F >> UInt32(length))
    for place in (offset + 1)..<(offset + length) {
      guard bytes[place] & 0xC0 == 0x80 else { return nil }
      value = value << 6 | UInt32(bytes[place] & 0x3F)
    }
    let least: UInt32 = length == 2 ? 0x80 : length == 3 ? 0x800 : 0x10000
    guard value >= least, Unicode.Scalar(value) != nil else { return nil }
    return (value, length)
  }
}

/// Upper-case hexadecimal with leading zeros.
func hex(_ number: UInt32, digits: Int = 2) -> String {
  let text = String(number, radix: 16, uppercase: true)
  return String(repeating: "0", count: max(0, digits - text.utf8.count)) + text
}
