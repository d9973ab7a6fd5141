/// How text lies on a terminal: its width in columns, and where its lines break.
package enum TextLayout {
  /// For a help page where no terminal says how wide it is.
  package static let usualWidth = 80
  /// Longer lines are hard to read, however wide the window is.
  static let widestHelp = 100

  /// Columns that a text takes: two for an East Asian or emoji character, none for a mark.
  package static func width(of text: String) -> Int {
    text.utf8.allSatisfy { $0 < 0x80 } ? text.utf8.count : text.reduce(0) { $0 + width(of: $1) }
  }

  static func width(of character: Character) -> Int {
    guard let scalar = character.unicodeScalars.first else { return 0 }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format: return 0
    default: return isWide(scalar.value) ? 2 : 1
    }
  }

  /// The blocks that UAX #11 calls wide, and the pictures.
  private static func isWide(_ scalar: UInt32) -> Bool {
    switch scalar {
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
      0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1FAFF, 0x20000...0x3FFFD:
      true
    default: false
    }
  }

  /// Clips to a width, the last column showing that something is missing.
  package static func clip(_ text: String, to limit: Int) -> String {
    guard width(of: text) > limit else { return text }
    guard limit > 0 else { return "" }
    var clipped = "", used = 0
    for character in text {
      let more = width(of: character)
      if used + more > limit - 1 { break }
      clipped.append(character)
      used += more
    }
    return clipped + "…"
  }

  /// Spaces at the end, up to a width.
  package static func pad(_ text: String, to target: Int) -> String {
    text + String(repeating: " ", count: max(0, target - width(of: text)))
  }

  /// Breaks paragraphs, which empty lines divide, at spaces. A line that begins with a space is kept.
  package static func wrap(_ text: String, width limit: Int, indent: Int = 0) -> [String] {
    let margin = String(repeating: " ", count: indent)
    var lines: [String] = []
    for paragraph in text.split(separator: "\n", omittingEmptySubsequences: false) {
      if paragraph.hasPrefix(" ") || paragraph.isEmpty {
        lines.append(paragraph.isEmpty ? "" : margin + paragraph)
        continue
      }
      var line = ""
      for word in paragraph.split(separator: " ") {
        if !line.isEmpty, indent + width(of: line) + 1 + width(of: String(word)) > limit {
          lines.append(margin + line)
          line = ""
        }
        line += (line.isEmpty ? "" : " ") + word
      }
      lines.append(margin + line)
    }
    return lines
  }

  /// Makes text from elsewhere safe for a terminal: no control character reaches it, and no line ends.
  package static func harmless(_ text: String) -> String {
    if text.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return text }
    var safe = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": safe += "\\n"
      case "\t": safe += " "
      case "\u{0}"..<"\u{20}", "\u{7F}"..<"\u{A0}", "\u{202A}"..."\u{202E}", "\u{2066}"..."\u{2069}":
        safe += "\\u{" + String(scalar.value, radix: 16) + "}"
      default: safe.unicodeScalars.append(scalar)
      }
    }
    return safe
  }
}
