/// Puts JSON together piece by piece, for those who write much of it: no value is made first.
///
///     var text = JSONWriter()
///     text.raw("{\"name\":")
///     text.string(name)
///     text.raw("}")
public struct JSONWriter {
  private static let hexDigits: StaticString = "0123456789abcdef"
  /// Room for what is written mostly.
  private static let usualSize = 256

  public private(set) var bytes: [UInt8] = []

  public init() { bytes.reserveCapacity(Self.usualSize) }

  public var text: String { bytes.withUnsafeBufferPointer { String(decoding: $0, as: UTF8.self) } }

  /// What stands there as it is.
  public mutating func raw(_ text: StaticString) {
    bytes.append(contentsOf: UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }

  /// JSON that is there already.
  public mutating func json(_ text: String) {
    var text = text
    text.withUTF8 { bytes.append(contentsOf: $0) }
  }

  /// A text in its quotes.
  public mutating func string(_ text: String) {
    var text = text
    bytes.append(UInt8(ascii: "\""))
    text.withUTF8 { characters in
      var start = 0
      for place in characters.indices where Self.isEscaped(characters[place]) {
        bytes.append(contentsOf: characters[start..<place])
        escape(characters[place])
        start = place + 1
      }
      bytes.append(contentsOf: characters[start...])
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private static func isEscaped(_ byte: UInt8) -> Bool {
    byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") || byte == 0x7F
  }

  private mutating func escape(_ byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\""): raw("\\\"")
    case UInt8(ascii: "\\"): raw("\\\\")
    case UInt8(ascii: "\n"): raw("\\n")
    case UInt8(ascii: "\r"): raw("\\r")
    case UInt8(ascii: "\t"): raw("\\t")
    default:
      raw("\\u00")
      bytes.append(Self.hexDigits.utf8Start[Int(byte >> 4)])
      bytes.append(Self.hexDigits.utf8Start[Int(byte & 15)])
    }
  }

  public mutating func number(_ number: some BinaryInteger) {
    guard number >= 0, let small = UInt64(exactly: number) else { return json(String(number)) }
    let start = bytes.count
    var rest = small
    repeat {
      let (more, digit) = rest.quotientAndRemainder(dividingBy: 10)
      bytes.append(UInt8(ascii: "0") + UInt8(digit))
      rest = more
    } while rest > 0
    bytes[start...].reverse()
  }

  public mutating func value(_ json: JSON) { value(json, indent: nil) }

  fileprivate mutating func value(_ json: JSON, indent: Int?) {
    switch json {
    case .null: raw("null")
    case .bool(let truth): raw(truth ? "true" : "false")
    case .int(let number): self.number(number)
    case .unsigned(let number): self.number(number)
    case .double(let number): self.number(number)
    case .string(let text): string(text)
    case .array(let items):
      list(items.count, "[", "]", indent) { (writer, place, indent) in writer.value(items[place], indent: indent) }
    case .object(let object):
      list(object.members.count, "{", "}", indent) { (writer, place, indent) in
        writer.string(object.members[place].key)
        writer.raw(indent == nil ? ":" : ": ")
        writer.value(object.members[place].value, indent: indent)
      }
    }
  }

  /// 3.0 is written as 3, as JavaScript does, so that a whole number stays one.
  private mutating func number(_ number: Double) {
    guard number.isFinite else { return raw("null") }
    if let whole = Int64(exactly: number), abs(number) < 1e15 { return self.number(whole) }
    json(number.description)
  }

  private mutating func list(
    _ count: Int, _ open: StaticString, _ close: StaticString, _ indent: Int?,
    each: (inout JSONWriter, Int, Int?) -> Void
  ) {
    raw(open)
    let inner = indent.map { $0 + 1 }
    for place in 0..<count {
      if place > 0 { raw(",") }
      if let inner { breakLine(inner) }
      each(&self, place, inner)
    }
    if let indent, count > 0 { breakLine(indent) }
    raw(close)
  }

  private mutating func breakLine(_ indent: Int) {
    raw("\n")
    for _ in 0..<indent { raw("  ") }
  }
}

extension JSON: CustomStringConvertible {
  /// One line, no spaces.
  public var description: String {
    var writer = JSONWriter()
    writer.value(self)
    return writer.text
  }

  /// Two spaces a level, for people.
  public var pretty: String {
    var writer = JSONWriter()
    writer.value(self, indent: 0)
    return writer.text
  }
}
