/// A place in something the operator wrote: which text, and the byte where it begins.
///
/// Lines and columns are worked out only for what is printed, so that a node of the tree stays small.
package struct SourcePlace: Sendable, Hashable, Comparable {
  /// The index of the text in `Sources`.
  package var source: Int32
  package var offset: UInt32

  package init(source: Int32, offset: Int) {
    self.source = source
    self.offset = UInt32(clamping: offset)
  }

  package static func < (left: Self, right: Self) -> Bool {
    (left.source, left.offset) < (right.source, right.offset)
  }
}

/// Both counted from 1; the column in characters, as an editor does.
package struct SourcePosition: Sendable, Hashable {
  package var line: Int
  package var column: Int
}

/// A manifest or a command-line argument, kept so that an error can show the line it is about.
package struct SourceText: Sendable {
  package enum Kind: Sendable { case file, argument }

  /// The path of a file, or the option that the argument followed: `--set`.
  package let name: String
  package let kind: Kind
  package let bytes: [UInt8]
  private let lineStarts: [Int]

  package init(name: String, bytes: [UInt8], kind: Kind = .file) {
    self.name = name
    self.kind = kind
    self.bytes = bytes
    lineStarts = Self.findLines(in: bytes)
  }

  /// A line ends with a line feed, a carriage return, or both together.
  private static func findLines(in bytes: [UInt8]) -> [Int] {
    var starts = [0]
    bytes.withUnsafeBufferPointer { bytes in
      for offset in bytes.indices where bytes[offset] <= 0x0D {
        let isFeed = bytes[offset] == 0x0A
        let isLoneReturn = bytes[offset] == 0x0D && (offset + 1 == bytes.count || bytes[offset + 1] != 0x0A)
        if isFeed || isLoneReturn { starts.append(offset + 1) }
      }
    }
    return starts
  }

  package func position(of offset: Int) -> SourcePosition {
    let offset = min(max(offset, 0), bytes.count)
    let line = lineIndex(of: offset)
    var start = lineStarts[line]
    if line == 0, bytes.starts(with: Self.byteOrderMark), offset >= 3 { start = 3 }
    return SourcePosition(line: line + 1, column: characters(in: start..<offset) + 1)
  }

  /// The bytes of the line that holds an offset, without its line ending.
  package func lineRange(around offset: Int) -> Range<Int> {
    let line = lineIndex(of: min(max(offset, 0), bytes.count))
    var start = lineStarts[line]
    var end = line + 1 < lineStarts.count ? lineStarts[line + 1] : bytes.count
    while end > start, bytes[end - 1] == 0x0A || bytes[end - 1] == 0x0D { end -= 1 }
    if line == 0, bytes.starts(with: Self.byteOrderMark) { start = min(3, end) }
    return start..<end
  }

  package static let byteOrderMark: [UInt8] = [0xEF, 0xBB, 0xBF]

  /// Finding where characters begin is slow; so far into a line nobody counts them.
  private static let longLine = 65_536

  private func characters(in range: Range<Int>) -> Int {
    let part = bytes[range]
    if part.allSatisfy({ $0 < 0x80 }) { return part.count }
    if part.count > Self.longLine { return part.count { $0 & 0xC0 != 0x80 } }
    return String(decoding: part, as: UTF8.self).count
  }

  private func lineIndex(of offset: Int) -> Int {
    var low = 0, high = lineStarts.count
    while high - low > 1 {
      let middle = (low + high) / 2
      if lineStarts[middle] <= offset { low = middle } else { high = middle }
    }
    return low
  }
}
