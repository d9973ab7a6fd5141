/// Puts numbers and bytes one behind the other, little-endian.
struct ByteWriter {
  private(set) var bytes: [UInt8] = []

  init(reserving count: Int = 64) { bytes.reserveCapacity(count) }

  mutating func add<Number: FixedWidthInteger>(_ number: Number) {
    var left = number.littleEndian
    withUnsafeBytes(of: &left) { bytes.append(contentsOf: $0) }
  }

  mutating func add(_ truth: Bool) { bytes.append(truth ? 1 : 0) }

  /// Bytes behind their count.
  mutating func add(counted content: [UInt8]) {
    add(UInt32(content.count))
    bytes.append(contentsOf: content)
  }

  /// Bytes that end what is written, so that nobody need count them.
  mutating func add(rest content: [UInt8]) { bytes.append(contentsOf: content) }
}
