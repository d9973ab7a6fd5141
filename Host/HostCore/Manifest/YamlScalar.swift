package import NodeValues

/// A scalar as written, and after expansion of `${…}` what came of it.
package struct YamlScalar: Sendable {
  /// Only a plain scalar may be a number, a truth value or null; any other style is text.
  package enum Style: Sendable { case plain, quoted }

  /// The tags that are honoured; any other is an error.
  package enum Tag: String, Sendable, CaseIterable { case null, bool, int, float, str }

  package var text: String
  package var style: Style
  package var tag: Tag?
  /// The text before expansion. What a file or the environment gave is never printed; this is.
  package var written: String?

  package init(_ text: String, style: Style, tag: Tag? = nil, written: String? = nil) {
    self.text = text
    self.style = style
    self.tag = tag
    self.written = written
  }

  /// May hold a secret: it came from a file or from the environment.
  package var isExpanded: Bool { written != nil }

  /// What messages may show.
  package var shown: String { written ?? text }

  /// The value by the core schema of YAML 1.2; nil if it does not fit its tag.
  package var typed: JSON? {
    switch tag {
    case nil: return style == .plain ? Self.core(text) : .string(text)
    case .str: return .string(text)
    case .null: return text.isEmpty || Self.core(text) == .null ? .null : nil
    case .bool:
      if case .bool(let truth) = Self.core(text) { return .bool(truth) }
      return nil
    case .int:
      switch Self.core(text) {
      case .int, .unsigned: return Self.core(text)
      default: return nil
      }
    case .float: return Self.core(text).double.map { .double($0) }
    }
  }

  /// `on`, `off`, `yes` and `no` besides `true` and `false`: only for a reader that knows it wants a truth value.
  package var truth: Bool? {
    if style == .quoted, !isExpanded { return nil }
    switch text {
    case "true", "True", "TRUE", "on", "On", "ON", "yes", "Yes", "YES": return true
    case "false", "False", "FALSE", "off", "Off", "OFF", "no", "No", "NO": return false
    default: return nil
    }
  }
}

/// Resolution of plain scalars. Leading zeros are decimal, as YAML 1.2 has it.
extension YamlScalar {
  package static func core(_ text: String) -> JSON {
    switch text {
    case "", "~", "null", "Null", "NULL": return .null
    case "true", "True", "TRUE": return .bool(true)
    case "false", "False", "FALSE": return .bool(false)
    case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF": return .double(.infinity)
    case "-.inf", "-.Inf", "-.INF": return .double(-.infinity)
    case ".nan", ".NaN", ".NAN": return .double(.nan)
    default: return number(text) ?? .string(text)
    }
  }

  private static func number(_ text: String) -> JSON? {
    guard let first = text.utf8.first, text.utf8.count <= 64 else { return nil }
    switch first {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."): break
    default: return nil
    }
    if text.hasPrefix("0x") || text.hasPrefix("0o") {
      let digits = text.dropFirst(2)
      // A sign may stand before a decimal number only.
      guard let first = digits.first, first != "+", first != "-" else { return nil }
      return whole(digits, radix: text.hasPrefix("0x") ? 16 : 8)
    }
    let unsigned = first == UInt8(ascii: "+") || first == UInt8(ascii: "-") ? text.dropFirst() : text[...]
    if unsigned.utf8.allSatisfy(isDigit) { return whole(text[...], radix: 10) }
    return isDecimal(unsigned.utf8) ? Double(text).map { .double($0) } : nil
  }

  private static func whole(_ digits: Substring, radix: Int) -> JSON? {
    if let number = Int64(digits, radix: radix) { return .int(number) }
    if let number = UInt64(digits, radix: radix) { return .unsigned(number) }
    return radix == 10 ? Double(digits).map { .double($0) } : nil
  }

  private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }

  /// `digits . digits e sign digits`, where a part may be missing but not all digits: `1.`, `.5`, `1e3`.
  private static func isDecimal(_ text: Substring.UTF8View) -> Bool {
    var rest = text[...]
    func skipDigits() -> Int {
      let count = rest.prefix(while: isDigit).count
      rest = rest.dropFirst(count)
      return count
    }
    var digits = skipDigits()
    if rest.first == UInt8(ascii: ".") {
      rest = rest.dropFirst()
      digits += skipDigits()
    }
    guard digits > 0 else { return false }
    guard let letter = rest.first else { return true }
    guard letter == UInt8(ascii: "e") || letter == UInt8(ascii: "E") else { return false }
    rest = rest.dropFirst()
    if rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: "-") { rest = rest.dropFirst() }
    return skipDigits() > 0 && rest.isEmpty
  }
}
