internal import CTraining
package import NodeValues

/// The format of the MNIST files: two zeros, a type, the dimensions, each in four bytes, and the numbers, the highest
/// byte first. As it is or packed with gzip.
extension NumberArray {
  private static let types: [UInt8: NumberType] = [
    8: .unsigned(1), 9: .signed(1), 0x0B: .signed(2), 0x0C: .signed(4), 0x0D: .float(4), 0x0E: .float(8),
  ]

  package init(idx bytes: ArraySlice<UInt8>) throws(RoleError) {
    if bytes.starts(with: [0x1F, 0x8B]) {
      try self.init(plainIDX: try Self.unpacked(bytes)[...])
    } else {
      try self.init(plainIDX: bytes)
    }
  }

  private init(plainIDX bytes: ArraySlice<UInt8>) throws(RoleError) {
    var reader = ByteReader(bytes)
    guard try reader.take(2).elementsEqual([0, 0]), let type = Self.types[try reader.byte()] else {
      throw damaged("it does not begin like an IDX file")
    }
    let rank = Int(try reader.byte())
    var shape: [Int] = []
    for _ in 0..<rank { shape.append(try reader.bigEndian(4)) }
    let content = try reader.take(Self.count(shape) * type.size)
    guard reader.left == 0 else { throw damaged("\(reader.left) bytes too many") }
    self.init(shape: shape, numbers: type.numbers(content, isBigEndian: true), areBytes: type.isByte)
  }

  /// gzip's last four bytes say how long it is.
  private static func unpacked(_ bytes: ArraySlice<UInt8>) throws(RoleError) -> [UInt8] {
    var end = ByteReader(bytes.suffix(4))
    let size = try end.littleEndian(4)
    guard size <= bytes.count * 1_100 + 1_024 else { throw damaged("it says that it unpacks to \(size) bytes") }
    return try inflate(bytes, TRAINING_GZIP, to: size)
  }
}
