/// What each byte may stand for in HTTP/1.1 (RFC 9110, 5.6), looked up rather than reasoned out.
enum HTTP1Bytes {
  /// The lower case of what may stand in a name, 0 for all else.
  nonisolated(unsafe) static let name: UnsafePointer<UInt8> = table { byte in
    HTTPByte.isToken(byte) ? ((0x41...0x5A).contains(byte) ? byte | 0x20 : byte) : 0
  }

  /// For each byte of a target what it means for the whole.
  nonisolated(unsafe) static let inTarget: UnsafePointer<UInt8> = table { byte in
    switch byte {
    case 0...0x20, 0x7F...0xFF, UInt8(ascii: "#"): neverInTarget
    case UInt8(ascii: "%"): decodedInTarget
    default: 0
    }
  }
  static let neverInTarget: UInt8 = 1
  /// Perhaps its path is not to be taken as it stands.
  static let decodedInTarget: UInt8 = 2

  private static func table(_ entry: (UInt8) -> UInt8) -> UnsafePointer<UInt8> {
    let room = UnsafeMutablePointer<UInt8>.allocate(capacity: 256)
    for byte in 0...255 { room[byte] = entry(UInt8(byte)) }
    return UnsafePointer(room)
  }

  /// The first byte from `start` on that is a control character, or `end`. Eight at a time: heads are read for each
  /// request, and byte by byte that would take a tenth of the host's own time.
  static func endOfText(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int {
    let ones: UInt64 = 0x0101_0101_0101_0101
    var at = start
    while end - at >= 8 {
      let word = UInt64(littleEndian: UnsafeRawPointer(base + at).loadUnaligned(as: UInt64.self))
      let noDelete = word ^ (ones * 0x7F)
      // A byte's highest bit shows that it is below 0x20, or is 0x7F. Above the first that shows, it may be wrong.
      let found = ((word &- ones * 0x20) & ~word | (noDelete &- ones) & ~noDelete) & (ones * 0x80)
      if found != 0 { return at + found.trailingZeroBitCount / 8 }
      at += 8
    }
    while at < end, base[at] >= 0x20, base[at] != 0x7F { at += 1 }
    return at
  }

  /// The same for a value, in which tabs may stand, too.
  static func endOfValue(_ base: UnsafePointer<UInt8>, _ start: Int, _ end: Int) -> Int {
    var at = endOfText(base, start, end)
    while at < end, base[at] == tab { at = endOfText(base, at + 1, end) }
    return at
  }

  static let carriageReturn: UInt8 = 0x0D
  static let lineFeed: UInt8 = 0x0A
  static let space: UInt8 = 0x20
  static let tab: UInt8 = 0x09
}

/// How much of a message's head is taken. Larger ones are refused with the status that says so.
package struct HeadLimits: Sendable {
  package var line = 8 << 10
  package var head = 32 << 10
  package var fields = 100

  package init() {}
}
