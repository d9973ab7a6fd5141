/// Reads a parcel's fields one after the other.
struct PeerFields {
  private let bytes: UnsafeRawBufferPointer
  private let what: StaticString
  private var place = 0

  init(_ bytes: UnsafeRawBufferPointer, _ what: StaticString) {
    self.bytes = bytes
    self.what = what
  }

  var rest: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: bytes[place...]) }
  var isEmpty: Bool { place == bytes.count }

  mutating func number<Number: FixedWidthInteger & BitwiseCopyable>() throws(PeerFault) -> Number {
    let number = try take(MemoryLayout<Number>.size).loadUnaligned(as: Number.self)
    return Number(littleEndian: number)
  }

  mutating func take(_ count: Int) throws(PeerFault) -> UnsafeRawBufferPointer {
    guard count <= bytes.count - place else { throw PeerFault("a \(what) that is cut short") }
    defer { place += count }
    return UnsafeRawBufferPointer(rebasing: bytes[place..<(place + count)])
  }

  /// Text of at most 255 bytes, its length before it.
  mutating func short() throws(PeerFault) -> String {
    let count: UInt8 = try number()
    return try text(Int(count))
  }

  /// Anything longer.
  mutating func long() throws(PeerFault) -> UnsafeRawBufferPointer {
    let count: UInt32 = try number()
    return try take(Int(count))
  }

  mutating func text(_ count: Int) throws(PeerFault) -> String {
    guard let text = String(validating: try take(count), as: UTF8.self) else {
      throw PeerFault("a \(what) whose text is not UTF-8")
    }
    return text
  }
}

extension [UInt8] {
  mutating func append<Number: FixedWidthInteger>(little number: Number) {
    Swift.withUnsafeBytes(of: number.littleEndian) { append(contentsOf: $0) }
  }

  /// Longer text is cut; who writes sees to it that there is none.
  mutating func append(short text: String) {
    let bytes = text.utf8.prefix(255)
    append(UInt8(bytes.count))
    append(contentsOf: bytes)
  }

  mutating func append(long bytes: some Collection<UInt8>) {
    append(little: UInt32(bytes.count))
    append(contentsOf: bytes)
  }
}
