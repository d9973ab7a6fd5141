/// Header fields in the order they came, names in lower case.
package struct HTTPHeaders: Sendable, Equatable, ExpressibleByDictionaryLiteral {
  package struct Field: Sendable, Equatable {
    package var name: String
    package var value: String
  }

  package private(set) var fields: [Field] = []

  package init() {}

  package init(dictionaryLiteral elements: (String, String)...) {
    for (name, value) in elements { add(name, value) }
  }

  package mutating func add(_ name: String, _ value: String) {
    fields.append(Field(name: name.lowercased(), value: value))
  }

  /// The first field of that name, given in lower case.
  package subscript(name: String) -> String? { fields.first { $0.name == name }?.value }

  package func all(_ name: String) -> [String] { fields.filter { $0.name == name }.map(\.value) }

  /// The members of a comma-separated field, in lower case.
  package func tokens(_ name: String) -> [String] {
    all(name).flatMap { $0.split(separator: ",") }.map { lowercasedASCII(trimmed($0)) }
  }

  /// Beyond ASCII there are letters whose lower case is an ASCII letter, and two readers would disagree on them.
  private func lowercasedASCII(_ text: Substring) -> String {
    var bytes = Array(text.utf8)
    for place in bytes.indices where (0x41...0x5A).contains(bytes[place]) { bytes[place] |= 0x20 }
    return String(decoding: bytes, as: UTF8.self)
  }

  private func trimmed(_ text: Substring) -> Substring {
    var text = text
    while text.first == " " || text.first == "\t" { text.removeFirst() }
    while text.last == " " || text.last == "\t" { text.removeLast() }
    return text
  }

  /// The length that Content-Length declares (RFC 9112, 6.3): several are fine if they agree.
  func declaredLength() throws(HTTPRefusal) -> Int? {
    let values = all("content-length").flatMap { $0.split(separator: ",", omittingEmptySubsequences: false) }
    var length: Int?
    for value in values.map(trimmed) {
      guard !value.isEmpty, value.utf8.allSatisfy({ HTTPByte.isDigit($0) }) else {
        throw HTTPRefusal(400, "Content-Length is not a number")
      }
      let digits = value.drop { $0 == "0" }
      guard digits.utf8.count <= HTTPLimits.lengthDigits else { throw HTTPRefusal(413, "the body is too large") }
      let number = Int(digits) ?? 0
      guard length == nil || length == number else { throw HTTPRefusal(400, "Content-Length is given twice") }
      length = number
    }
    return length
  }
}

extension HTTPHeaders {
  /// Reads one line, without its end (RFC 9112, 5.1).
  mutating func add(line: ArraySlice<UInt8>) throws(HTTPRefusal) {
    if let first = line.first, first == 0x20 || first == 0x09 {
      throw HTTPRefusal(400, "a header line is folded; write it on one line")
    }
    guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
      throw HTTPRefusal(400, "a header line has no colon")
    }
    let name = line[..<colon]
    if let last = name.last, last == 0x20 || last == 0x09 {
      throw HTTPRefusal(400, "there is a space before a header's colon")
    }
    guard !name.isEmpty, name.allSatisfy({ HTTPByte.isToken($0) }) else {
      throw HTTPRefusal(400, "a header's name has a character that names do not have")
    }
    guard fields.count < HTTPLimits.headerCount else {
      throw HTTPRefusal(431, "there are more than \(HTTPLimits.headerCount) headers")
    }
    var value = line[(colon + 1)...]
    while let first = value.first, first == 0x20 || first == 0x09 { value.removeFirst() }
    while let last = value.last, last == 0x20 || last == 0x09 { value.removeLast() }
    guard value.allSatisfy({ HTTPByte.isText($0) }) else {
      throw HTTPRefusal(400, "a header's value has a control character")
    }
    add(String(decoding: name, as: UTF8.self), String(decoding: value, as: UTF8.self))
  }
}

/// The character classes of RFC 9110.
enum HTTPByte {
  static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

  static func isToken(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
    case UInt8(ascii: "!"), UInt8(ascii: "#"), UInt8(ascii: "$"), UInt8(ascii: "%"), UInt8(ascii: "&"),
      UInt8(ascii: "'"), UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
      UInt8(ascii: "^"), UInt8(ascii: "_"), UInt8(ascii: "`"), UInt8(ascii: "|"), UInt8(ascii: "~"):
      true
    default: false
    }
  }

  /// What may stand in a field's value: anything printable, spaces, tabs, and bytes beyond ASCII.
  static func isText(_ byte: UInt8) -> Bool { byte >= 0x20 && byte != 0x7F || byte == 0x09 }

  static func hexValue(_ byte: UInt8) -> Int? {
    switch byte {
    case 0x30...0x39: Int(byte) - 0x30
    case 0x41...0x46: Int(byte) - 0x41 + 10
    case 0x61...0x66: Int(byte) - 0x61 + 10
    default: nil
    }
  }
}
