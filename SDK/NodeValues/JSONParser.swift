/// Where and why a text is not JSON.
public struct JSONError: Error, Equatable, CustomStringConvertible {
  /// Counted in bytes from the start of the text.
  public var offset: Int
  public var message: String
  public var description: String { "byte \(offset): \(message)" }
}

extension JSON {
  /// How deep lists and objects may nest, in this parser and everything that uses it.
  public static let nestingLimit = 64

  public init(parsing text: String) throws(JSONError) {
    var text = text
    self = try text.withUTF8(Self.parsed).get()
  }

  /// Strict: one value, no comments, no duplicate keys, no lone surrogates, valid UTF-8.
  public init(parsing bytes: [UInt8]) throws(JSONError) {
    self = try bytes.withUnsafeBufferPointer(Self.parsed).get()
  }

  private static func parsed(_ bytes: UnsafeBufferPointer<UInt8>) -> Result<JSON, JSONError> {
    var parser = JSONParser(bytes: bytes)
    return Result { () throws(JSONError) in try parser.document() }
  }
}

private struct JSONParser {
  /// An object gets room for so many members at once: fewer waste little, and more are rare.
  private static let expected = 4

  let bytes: UnsafeBufferPointer<UInt8>
  var position = 0

  init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

  mutating func document() throws(JSONError) -> JSON {
    let value = try value(depth: 0)
    skipSpace()
    guard position == bytes.count else { throw error("something follows the value") }
    return value
  }

  func error(_ message: String) -> JSONError { JSONError(offset: position, message: message) }

  var next: UInt8? { position < bytes.count ? bytes[position] : nil }

  mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { position += 1 }
  }

  mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    position += 1
    return true
  }

  mutating func value(depth: Int) throws(JSONError) -> JSON {
    guard depth <= JSON.nestingLimit else { throw error("nested deeper than \(JSON.nestingLimit)") }
    skipSpace()
    switch next {
    case nil: throw error("the text ends where a value should be")
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try list(depth: depth)
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .null)
    default: return try number()
    }
  }

  mutating func word(_ word: StaticString, _ value: JSON) throws(JSONError) -> JSON {
    for place in 0..<word.utf8CodeUnitCount where !take(word.utf8Start[place]) { throw error("expected \(word)") }
    return value
  }

  mutating func object(depth: Int) throws(JSONError) -> JSON {
    position += 1
    var object = JSONObject()
    var seen = SeenKeys()
    skipSpace()
    if take(UInt8(ascii: "}")) { return .object(object) }
    object.members.reserveCapacity(Self.expected)
    while true {
      skipSpace()
      guard next == UInt8(ascii: "\"") else { throw error("expected a key in quotes") }
      let key = try string()
      guard seen.insert(key, behind: object.members) else { throw error("the key \"\(key)\" stands here twice") }
      skipSpace()
      guard take(UInt8(ascii: ":")) else { throw error("expected a colon after the key") }
      object.members.append(.init(key: key, value: try value(depth: depth + 1)))
      skipSpace()
      if take(UInt8(ascii: "}")) { return .object(object) }
      guard take(UInt8(ascii: ",")) else { throw error("expected a comma or a closing brace") }
    }
  }

  mutating func list(depth: Int) throws(JSONError) -> JSON {
    position += 1
    var items: [JSON] = []
    skipSpace()
    if take(UInt8(ascii: "]")) { return .array(items) }
    while true {
      items.append(try value(depth: depth + 1))
      skipSpace()
      if take(UInt8(ascii: "]")) { return .array(items) }
      guard take(UInt8(ascii: ",")) else { throw error("expected a comma or a closing bracket") }
    }
  }

  mutating func string() throws(JSONError) -> String {
    position += 1
    let start = position
    skipPlain()
    // Most texts have no escapes, and are taken as they stand.
    if next == UInt8(ascii: "\"") { return try text(UnsafeBufferPointer(rebasing: bytes[start..<position])) }
    var unescaped = Array(bytes[start..<position])
    while let byte = next, byte != UInt8(ascii: "\"") {
      guard byte == UInt8(ascii: "\\") else {
        position += 1
        throw error("a control character inside a text; write it as an escape")
      }
      position += 1
      try escape(into: &unescaped)
      let plain = position
      skipPlain()
      unescaped.append(contentsOf: bytes[plain..<position])
    }
    guard next != nil else { throw error("the text has no closing quote") }
    return try unescaped.withUnsafeBufferPointer { (bytes) throws(JSONError) in try text(bytes) }
  }

  /// What stands for itself inside a text.
  private mutating func skipPlain() {
    while let byte = next, byte >= 0x20, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "\\") { position += 1 }
  }

  /// With the closing quote.
  private mutating func text(_ bytes: UnsafeBufferPointer<UInt8>) throws(JSONError) -> String {
    position += 1
    guard let text = String(utf8: bytes) else { throw error("the text is not UTF-8") }
    return text
  }

  mutating func escape(into text: inout [UInt8]) throws(JSONError) {
    guard let byte = next else { throw error("the text ends inside an escape") }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"): text.append(contentsOf: String(Character(try unicodeEscape())).utf8)
    default: throw error("no such escape")
    }
  }

  mutating func unicodeEscape() throws(JSONError) -> Unicode.Scalar {
    let first = try hexDigits()
    if let scalar = Unicode.Scalar(first) { return scalar }
    guard first < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
      throw error("half a surrogate pair")
    }
    let second = try hexDigits()
    guard (0xDC00..<0xE000).contains(second),
      let scalar = Unicode.Scalar(0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00))
    else { throw error("half a surrogate pair") }
    return scalar
  }

  mutating func hexDigits() throws(JSONError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else {
        throw error("expected four hexadecimal digits")
      }
      value = value << 4 | UInt32(digit)
      position += 1
    }
    return value
  }

  mutating func number() throws(JSONError) -> JSON {
    let start = position
    _ = take(UInt8(ascii: "-"))
    if !take(UInt8(ascii: "0")) {
      guard digits() else {
        position = start
        throw error("expected a value")
      }
    }
    var whole = true
    if take(UInt8(ascii: ".")) {
      whole = false
      guard digits() else { throw error("expected digits after the point") }
    }
    if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      whole = false
      position += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
      guard digits() else { throw error("expected digits in the exponent") }
    }
    if whole, let number = smallNumber(from: start) { return .int(number) }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if whole, let number = Int64(text) { return .int(number) }
    if whole, let number = UInt64(text) { return .unsigned(number) }
    guard let number = Double(text), number.isFinite else { throw error("the number is too large") }
    return .double(number)
  }

  /// Of at most 18 digits, which cannot be too large.
  private func smallNumber(from start: Int) -> Int64? {
    guard position - start <= 18 else { return nil }
    let isNegative = bytes[start] == UInt8(ascii: "-")
    var number: Int64 = 0
    for place in (isNegative ? start + 1 : start)..<position {
      number = number &* 10 &+ Int64(bytes[place] &- UInt8(ascii: "0"))
    }
    return isNegative ? -number : number
  }

  mutating func digits() -> Bool {
    let start = position
    while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
    return position > start
  }
}

/// The keys of a large object so far.
private struct SeenKeys {
  /// Up to here the keys are compared one by one. To make a set, the Swift runtime looks through every library of the
  /// process once for each new build of a plugin, and few configurations have as many keys in one object.
  private static let compared = 16

  private var many: Set<String> = []

  /// False if it has been there before, among these or behind them.
  mutating func insert(_ key: String, behind members: [JSONObject.Member]) -> Bool {
    if members.prefix(Self.compared).contains(where: { $0.key == key }) { return false }
    return members.count < Self.compared || many.insert(key).inserted
  }
}
