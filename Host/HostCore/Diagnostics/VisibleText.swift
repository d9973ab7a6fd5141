/// What an operator wrote may hold anything, and is shown on a terminal.
extension Character {
  /// A control character could move the cursor, so its picture is shown; one that turns the direction of writing could
  /// make a line look like another.
  var visible: String {
    guard self != "\t", let scalar = unicodeScalars.first else { return String(self) }
    switch scalar.value {
    case 0..<0x20: return String(Character(Unicode.Scalar(0x2400 + scalar.value)!))
    case 0x7F..<0xA0, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: return "\u{FFFD}"
    default: return String(self)
    }
  }
}

extension String {
  /// More than this of a message is not read.
  private static let messageLimit = 400

  /// On one line, without control characters, and cut in the middle if it is very long.
  var printable: String {
    // Most are short and plain; counting bytes is enough to know.
    if utf8.count <= Self.messageLimit, utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7F }) { return self }
    let isLong = count > Self.messageLimit
    let shown = isLong ? prefix(Self.messageLimit / 2) + "…" + suffix(Self.messageLimit / 4) : self[...]
    return shown.map(\.visible).joined()
  }
}
