/// Puts numbers, text and bytes one behind the other, little-endian, for ``ByteReader`` to take apart: what roles keep
/// in their stores, and what they send to one another where JSON would cost too much.
///
///     var writer = ByteWriter()
///     writer.add(UInt8(1))
///     writer.add(counted: "a key")
///     try context.peers.send(writer.bytes, to: 2)
public struct ByteWriter {
  @usableFromInline var content: [UInt8] = []

  @inlinable public init(reserving count: Int = 64) { content.reserveCapacity(count) }

  @inlinable public var bytes: [UInt8] { content }
  @inlinable public var count: Int { content.count }

  @inlinable public mutating func add<Number: FixedWidthInteger>(_ number: Number) {
    withUnsafeBytes(of: number.littleEndian) { content.append(contentsOf: $0) }
  }

  @inlinable public mutating func add(_ truth: Bool) { content.append(truth ? 1 : 0) }

  /// So many bytes, which `fill` puts into the room that it gets: for many numbers in a row, each of which would look
  /// anew whether there is place for it.
  @inlinable package mutating func add(count: Int, _ fill: (UnsafeMutableRawBufferPointer) -> Void) {
    withUnsafeTemporaryAllocation(byteCount: count, alignment: 1) { room in
      fill(room)
      content.append(contentsOf: UnsafeRawBufferPointer(room))
    }
  }

  /// Bytes behind their count.
  @inlinable public mutating func add(counted bytes: [UInt8]) {
    add(UInt32(bytes.count))
    content.append(contentsOf: bytes)
  }

  /// Text behind the count of its bytes in UTF-8.
  @inlinable public mutating func add(counted text: String) {
    var text = text
    text.withUTF8 { utf8 in
      add(UInt32(utf8.count))
      content.append(contentsOf: utf8)
    }
  }

  /// Bytes that end what is written, or are known by their number.
  @inlinable public mutating func add(rest bytes: some Sequence<UInt8>) { content.append(contentsOf: bytes) }
}
