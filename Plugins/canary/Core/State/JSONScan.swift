/// Looks through the text of a JSON value without making anything of it: whether it is one, and where a member of it
/// stands. What passes here may stand inside of another JSON text as it is.
struct JSONScan {
  private static let nestingLimit = 64

  private let bytes: UnsafeRawBufferPointer
  private var position = 0
  private var wanted: UnsafeRawBufferPointer?
  private var isPlain = true
  /// The value of the member that was looked for: the text's own bytes, or the number's or word's.
  private(set) var found: Range<Int>?

  /// The value inside of white space; nil if it is no JSON.
  static func value(in bytes: UnsafeRawBufferPointer) -> Range<Int>? {
    var scan = JSONScan(bytes: bytes)
    return scan.whole()
  }

  /// A member of the object, on its first level.
  static func member(_ name: UnsafeRawBufferPointer, in bytes: UnsafeRawBufferPointer) -> Range<Int>? {
    var scan = JSONScan(bytes: bytes)
    scan.wanted = name
    return scan.whole() == nil ? nil : scan.found
  }

  private init(bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  private mutating func whole() -> Range<Int>? {
    skipSpace()
    let start = position
    guard value(0) else { return nil }
    let end = position
    skipSpace()
    guard position == bytes.count, isPlain || String(validating: bytes, as: UTF8.self) != nil else { return nil }
    return start..<end
  }

  @inline(__always)
  private var next: UInt8 { position < bytes.count ? bytes[position] : 0 }

  private mutating func skipSpace() {
    while position < bytes.count, [0x20, 0x0A, 0x0D, 0x09].contains(bytes[position]) { position += 1 }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    position += 1
    return true
  }

  private mutating func value(_ depth: Int) -> Bool {
    guard depth <= Self.nestingLimit else { return false }
    switch next {
    case UInt8(ascii: "{"): return object(depth)
    case UInt8(ascii: "["): return list(depth)
    case UInt8(ascii: "\""): return text() != nil
    case UInt8(ascii: "t"): return word("true")
    case UInt8(ascii: "f"): return word("false")
    case UInt8(ascii: "n"): return word("null")
    default: return number()
    }
  }

  private mutating func word(_ word: StaticString) -> Bool {
    for place in 0..<word.utf8CodeUnitCount where !take(word.utf8Start[place]) { return false }
    return true
  }

  private mutating func object(_ depth: Int) -> Bool {
    position += 1
    skipSpace()
    if take(UInt8(ascii: "}")) { return true }
    while true {
      skipSpace()
      guard next == UInt8(ascii: "\""), let key = text() else { return false }
      skipSpace()
      guard take(UInt8(ascii: ":")) else { return false }
      skipSpace()
      let start = position, isText = next == UInt8(ascii: "\"")
      guard value(depth + 1) else { return false }
      if depth == 0, let wanted, isSame(key, wanted) {
        found = isText ? start + 1..<position - 1 : start..<position
      }
      skipSpace()
      if take(UInt8(ascii: "}")) { return true }
      guard take(UInt8(ascii: ",")) else { return false }
    }
  }

  private func isSame(_ range: Range<Int>, _ name: UnsafeRawBufferPointer) -> Bool {
    range.count == name.count && (0..<name.count).allSatisfy { bytes[range.lowerBound + $0] == name[$0] }
  }

  private mutating func list(_ depth: Int) -> Bool {
    position += 1
    skipSpace()
    if take(UInt8(ascii: "]")) { return true }
    while true {
      skipSpace()
      guard value(depth + 1) else { return false }
      skipSpace()
      if take(UInt8(ascii: "]")) { return true }
      guard take(UInt8(ascii: ",")) else { return false }
    }
  }

  /// What stands between the quotes, as it stands there.
  private mutating func text() -> Range<Int>? {
    position += 1
    let start = position
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""): return start..<position - 1
      case UInt8(ascii: "\\"): if !escape() { return nil }
      case 0..<0x20: return nil
      case 0x80...: isPlain = false
      default: break
      }
    }
    return nil
  }

  private mutating func escape() -> Bool {
    let byte = next
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"), UInt8(ascii: "f"),
      UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
      return true
    case UInt8(ascii: "u"):
      for _ in 0..<4 {
        switch next {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
          UInt8(ascii: "A")...UInt8(ascii: "F"):
          position += 1
        default: return false
        }
      }
      return true
    default: return false
    }
  }

  private mutating func number() -> Bool {
    _ = take(UInt8(ascii: "-"))
    if !take(UInt8(ascii: "0")), !digits() { return false }
    if take(UInt8(ascii: ".")), !digits() { return false }
    if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      position += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { position += 1 }
      return digits()
    }
    return true
  }

  private mutating func digits() -> Bool {
    let start = position
    while (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(next) { position += 1 }
    return position > start
  }
}
