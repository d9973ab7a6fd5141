/// Takes apart what a ``ByteWriter`` has put together, or somebody else: nothing in it is believed.
struct ByteReader {
  private let bytes: [UInt8]
  private(set) var place = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  var left: Int { bytes.count - place }

  mutating func number<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) throws(Malformed) -> Number {
    let size = Number.bitWidth / 8
    guard left >= size else { throw Malformed() }
    let number = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: place, as: Number.self) }
    place += size
    return Number(littleEndian: number)
  }

  mutating func truth() throws(Malformed) -> Bool {
    switch try number(UInt8.self) {
    case 0: false
    case 1: true
    default: throw Malformed()
    }
  }

  mutating func counted() throws(Malformed) -> [UInt8] { try bytes(Int(try number(UInt32.self))) }

  mutating func bytes(_ count: Int) throws(Malformed) -> [UInt8] {
    guard count <= left else { throw Malformed() }
    defer { place += count }
    return [UInt8](bytes[place..<(place + count)])
  }

  mutating func rest() -> [UInt8] {
    defer { place = bytes.count }
    return [UInt8](bytes[place...])
  }

  /// Throws if something is left.
  func end() throws(Malformed) { if left > 0 { throw Malformed() } }
}

/// Bytes that mean nothing.
package struct Malformed: Error {}
