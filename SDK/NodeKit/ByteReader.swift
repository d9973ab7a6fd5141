/// Takes apart what a ``ByteWriter`` has put together, or somebody else: nothing in it is believed.
public struct ByteReader {
  @usableFromInline let bytes: [UInt8]
  @usableFromInline var position = 0

  @inlinable public init(_ bytes: [UInt8]) { self.bytes = bytes }

  @inlinable public var left: Int { bytes.count - position }

  @inlinable public mutating func number<Number: FixedWidthInteger>(
    _ type: Number.Type = Number.self
  ) throws(MalformedBytes) -> Number {
    let size = Number.bitWidth / 8
    guard left >= size else { throw MalformedBytes() }
    let number = bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: position, as: Number.self) }
    skip(size)
    return Number(littleEndian: number)
  }

  @inlinable public mutating func truth() throws(MalformedBytes) -> Bool {
    switch try number(UInt8.self) {
    case 0: false
    case 1: true
    default: throw MalformedBytes()
    }
  }

  /// Bytes behind their count.
  public mutating func counted() throws(MalformedBytes) -> [UInt8] { try bytes(Int(try number(UInt32.self))) }

  /// Text behind the count of its bytes.
  public mutating func text() throws(MalformedBytes) -> String {
    let count = Int(try number(UInt32.self))
    guard count <= left else { throw MalformedBytes() }
    let text = bytes.withUnsafeBufferPointer {
      String(utf8: UnsafeBufferPointer(rebasing: $0[position..<position + count]))
    }
    guard let text else { throw MalformedBytes() }
    skip(count)
    return text
  }

  public mutating func bytes(_ count: Int) throws(MalformedBytes) -> [UInt8] {
    guard count <= left else { throw MalformedBytes() }
    defer { skip(count) }
    return [UInt8](bytes[position..<(position + count)])
  }

  public mutating func rest() -> [UInt8] {
    defer { skip(left) }
    return [UInt8](bytes[position...])
  }

  /// The rest as it lies here, not copied: it keeps all of the bytes in memory.
  public mutating func lastBytes() -> ArraySlice<UInt8> {
    defer { skip(left) }
    return bytes[position...]
  }

  /// Throws if something is left.
  public func end() throws(MalformedBytes) { if left > 0 { throw MalformedBytes() } }

  @inlinable mutating func skip(_ count: Int) { position += count }
}

/// Bytes that mean nothing.
public struct MalformedBytes: Error {
  @inlinable public init() {}
}
