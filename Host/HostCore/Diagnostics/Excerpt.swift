/// The part of a line around a place, and what to print under it so that a caret falls on the place.
package struct Excerpt: Sendable, Equatable {
  /// How many characters are shown before and after the place: with the gutter, a little over a terminal's width.
  package static let reach = 50

  package var text: String
  /// As wide on a terminal as the text before the place: tabs stay tabs, a wide character is two spaces.
  package var indent: String

  package init(of source: SourceText, at offset: Int) {
    let line = source.lineRange(around: offset)
    let offset = min(max(offset, line.lowerBound), line.upperBound)
    // No character of interest is longer than this many bytes, so the line need not be decoded whole.
    let bytes = Self.reach * 16
    let before = String(decoding: source.bytes[max(line.lowerBound, offset - bytes)..<offset], as: UTF8.self)
    let after = String(decoding: source.bytes[offset..<min(line.upperBound, offset + bytes)], as: UTF8.self)
    let isCutBefore = before.count > Self.reach || offset - line.lowerBound > bytes
    let isCutAfter = after.count > Self.reach || line.upperBound - offset > bytes
    let shown = (isCutBefore ? "…" : "") + before.suffix(Self.reach)
    text = shown.map(\.visible).joined()
    text += after.prefix(Self.reach).map(\.visible).joined() + (isCutAfter ? "…" : "")
    indent = shown.map { $0 == "\t" ? "\t" : String(repeating: " ", count: Self.width(of: $0)) }.joined()
  }

  /// The line and the caret under it; an argument has no line number.
  func rendered(line: Int?) -> [String] {
    let number = line.map(String.init) ?? ""
    let gutter = String(repeating: " ", count: max(0, 5 - number.utf8.count)) + number
    let blank = String(repeating: " ", count: gutter.utf8.count)
    return ["\(gutter) | \(text)", "\(blank) | \(indent)^"]
  }

  /// Columns of a terminal.
  private static func width(of character: Character) -> Int {
    guard let scalar = character.visible.unicodeScalars.first, scalar.value >= 0x300 else { return 1 }
    switch scalar.value {
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
      0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x20000...0x3FFFD:
      return 2
    default: break
    }
    if scalar.properties.isEmojiPresentation { return 2 }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format: return 0
    default: return 1
    }
  }
}
