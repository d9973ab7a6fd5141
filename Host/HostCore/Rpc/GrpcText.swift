/// How gRPC writes times and sentences into header fields.
package enum GrpcText {
  /// Digits of a timeout.
  private static let timeoutDigits = 8
  private static let units: [(letter: UInt8, nanoseconds: Int64)] = [
    (UInt8(ascii: "n"), 1), (UInt8(ascii: "u"), 1_000), (UInt8(ascii: "m"), 1_000_000),
    (UInt8(ascii: "S"), 1_000_000_000), (UInt8(ascii: "M"), 60_000_000_000), (UInt8(ascii: "H"), 3_600_000_000_000),
  ]

  /// "100m" is 100 milliseconds; nil if it is no timeout. The result is in nanoseconds and at most that of a century.
  package static func timeout(_ text: UnsafeRawBufferPointer) -> Int64? {
    guard (2...timeoutDigits + 1).contains(text.count),
      let unit = units.first(where: { $0.letter == text[text.count - 1] })
    else { return nil }
    var number: Int64 = 0
    for digit in text.dropLast() {
      guard HTTPByte.isDigit(digit) else { return nil }
      number = number * 10 + Int64(digit - 0x30)
    }
    let century: Int64 = 3_155_760_000_000_000_000
    let (product, overflow) = number.multipliedReportingOverflow(by: unit.nanoseconds)
    return overflow ? century : min(product, century)
  }

  /// The finest unit that has room for it; never less than one nanosecond.
  package static func timeout(_ nanoseconds: Int64) -> String {
    let most: Int64 = 99_999_999
    for (letter, size) in units where max(nanoseconds, 1) / size <= most {
      return "\(max(1, max(nanoseconds, 1) / size))\(Unicode.Scalar(letter))"
    }
    return "\(most)H"
  }

  /// A sentence as a field's value: all but printable ASCII in percent signs.
  package static func percentEncoded(_ text: UnsafeRawBufferPointer) -> [UInt8] {
    let digits = Array("0123456789ABCDEF".utf8)
    var encoded: [UInt8] = []
    encoded.reserveCapacity(text.count)
    for byte in text {
      if (0x20...0x7E).contains(byte), byte != UInt8(ascii: "%") {
        encoded.append(byte)
      } else {
        encoded += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return encoded
  }

  /// The sentence; what is not well encoded stays as it is.
  package static func percentDecoded(_ text: UnsafeRawBufferPointer) -> String {
    var decoded: [UInt8] = []
    decoded.reserveCapacity(text.count)
    var place = 0
    while place < text.count {
      if text[place] == UInt8(ascii: "%"), place + 2 < text.count, let high = HTTPByte.hexValue(text[place + 1]),
        let low = HTTPByte.hexValue(text[place + 2])
      {
        decoded.append(UInt8(high << 4 | low))
        place += 3
      } else {
        decoded.append(text[place])
        place += 1
      }
    }
    return String(decoding: decoded, as: UTF8.self)
  }
}
