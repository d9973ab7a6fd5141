/// What each byte may stand for in HTTP/1.1 (RFC 9110, 5.6), looked up rather than reasoned out.
enum HTTP1Bytes {
  /// The lower case of what may stand in a name, 0 for all else.
  nonisolated(unsafe) static let name: UnsafePointer<UInt8> = table { byte in
    HTTPByte.isToken(byte) ? ((0x41...0x5A).contains(byte) ? byte | 0x20 : byte) : 0
  }

  /// 1 for what may stand in a value.
  nonisolated(unsafe) static let value: UnsafePointer<UInt8> = table { HTTPByte.isText($0) ? 1 : 0 }

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
