/// Letters of five columns and seven rows, as bits from the top left on; large letters look like small ones.
enum PixelFont {
  static let columns = 5
  static let rows = 7

  private static let glyphs: [Character: UInt64] = [
    "0": 0x3A33AE62E, "1": 0x11842108E, "2": 0x3A211111F, "3": 0x7C441062E, "4": 0x8CA97C42, "5": 0x7E1E0862E,
    "6": 0x1910F462E, "7": 0x7C2222108, "8": 0x3A317462E, "9": 0x3A317844C, "a": 0xE0BE2F, "b": 0x4216CC63E,
    "c": 0xE8422E, "d": 0x42D9C62F, "e": 0xE8FE0E, "f": 0x1928E2108, "g": 0x1F18BC2E, "h": 0x4216CC631,
    "i": 0x100C2108E, "j": 0x80610A4C, "k": 0x4212A6292, "l": 0x30842108E, "m": 0x1AAD631, "n": 0x16CC631,
    "o": 0xE8C62E, "p": 0x1E8FA10, "q": 0xD9BC21, "r": 0x16CC210, "s": 0xE8383E, "t": 0x211C42126, "u": 0x118C66D,
    "v": 0x118C544, "w": 0x118D6AA, "x": 0x1151151, "y": 0x118BC2E, "z": 0x1F1111F, ".": 0x18C, "-": 0xF8000,
    "_": 0x1F, "%": 0x632222263, "(": 0x88842082, ")": 0x208210888,
  ]
  /// A box, for what is not among them.
  private static let unknown: UInt64 = 0x7_E318_C63F

  static func isSet(_ letter: Character, column: Int, row: Int) -> Bool {
    guard letter != " " else { return false }
    let bits = glyphs[letter.lowercased().first ?? letter] ?? unknown
    return bits >> UInt64((rows - 1 - row) * columns + columns - 1 - column) & 1 == 1
  }
}
