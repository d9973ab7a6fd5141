import HostCore

/// Turns libyaml's lines and columns into byte offsets. Its own offsets count characters, and not all of them.
///
/// libyaml also ends lines at U+0085, U+2028 and U+2029, which editors do not; offsets are what both agree on.
struct YamlLocator {
  private let text: SourceText
  private let source: Int32
  private let lineStarts: [Int]
  private let isASCII: Bool
  /// Where the last answer was: places come mostly in order, and a long line must not be walked for each.
  private var last = (line: 0, column: 0, offset: 0)

  init(_ text: SourceText, source: Int32) {
    self.text = text
    self.source = source
    var starts = [text.bytes.starts(with: SourceText.byteOrderMark) ? 3 : 0]
    var isASCII = true
    text.bytes.withUnsafeBufferPointer { bytes in
      for offset in bytes.indices where bytes[offset] <= 0x0D || bytes[offset] >= 0x80 {
        if bytes[offset] >= 0x80 { isASCII = false }
        if Self.endsLine(bytes, at: offset) { starts.append(offset + 1) }
      }
    }
    lineStarts = starts
    self.isASCII = isASCII
    last.offset = starts[0]
  }

  /// Whether a line ends with this byte, the last one of the break.
  private static func endsLine(_ bytes: UnsafeBufferPointer<UInt8>, at offset: Int) -> Bool {
    switch bytes[offset] {
    case 0x0A: true
    case 0x0D: offset + 1 == bytes.count || bytes[offset + 1] != 0x0A
    case 0x85: offset >= 1 && bytes[offset - 1] == 0xC2
    case 0xA8, 0xA9: offset >= 2 && bytes[offset - 1] == 0x80 && bytes[offset - 2] == 0xE2
    default: false
    }
  }

  /// Both counted from 0.
  mutating func place(line: Int, column: Int) -> SourcePlace {
    guard line < lineStarts.count else { return SourcePlace(source: source, offset: text.bytes.count) }
    if isASCII {
      return SourcePlace(source: source, offset: min(lineStarts[line] + column, text.bytes.count))
    }
    if line != last.line || column < last.column { last = (line, 0, lineStarts[line]) }
    while last.column < column, last.offset < text.bytes.count {
      last.offset += 1
      while last.offset < text.bytes.count, text.bytes[last.offset] & 0xC0 == 0x80 { last.offset += 1 }
      last.column += 1
    }
    return SourcePlace(source: source, offset: last.offset)
  }

  /// The byte at a place, for hints.
  func byte(at place: SourcePlace) -> UInt8? {
    text.bytes.indices.contains(Int(place.offset)) ? text.bytes[Int(place.offset)] : nil
  }

  /// Whether a variable begins on the line of a place, before it.
  func followsVariable(_ place: SourcePlace) -> Bool {
    let line = text.lineRange(around: Int(place.offset))
    let before = text.bytes[line.lowerBound..<min(Int(place.offset), line.upperBound)]
    return zip(before, before.dropFirst()).contains { $0 == (UInt8(ascii: "$"), UInt8(ascii: "{")) }
  }
}
