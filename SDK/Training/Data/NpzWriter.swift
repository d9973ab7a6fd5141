internal import CTraining
package import NodeValues

/// Writes NumPy's .npz: a zip file with arrays as they are, so that NumPy reads it, and ``NpzReader``.
package struct NpzWriter {
  private var content: [UInt8] = []
  private var directory: [UInt8] = []
  private var count = 0

  /// Of the whole: zip's numbers have 32 bits.
  private static let limit = Int(UInt32.max) - (1 << 20)

  package init() {}

  /// Bytes stay bytes, all else is written as float32.
  package mutating func add(_ name: String, _ array: NumberArray) throws(RoleError) {
    var bytes = Self.header(array.areBytes ? "|u1" : "<f4", array.shape)
    if array.areBytes {
      bytes += array.numbers.map { UInt8(max(0, min(255, $0))) }
    } else {
      array.numbers.withUnsafeBytes { bytes += $0 }
    }
    try add(name, bytes)
  }

  package mutating func add(_ name: String, _ labels: [Int32]) throws(RoleError) {
    var bytes = Self.header("<i4", [labels.count])
    labels.withUnsafeBytes { bytes += $0 }
    try add(name, bytes)
  }

  /// Version 1.0 of the format, with the numbers at a multiple of 64 bytes.
  private static func header(_ type: String, _ shape: [Int]) -> [UInt8] {
    let sizes = shape.map { "\($0)" }.joined(separator: ", ") + (shape.count == 1 ? "," : "")
    var text = "{'descr': '\(type)', 'fortran_order': False, 'shape': (\(sizes)), }"
    while (10 + text.utf8.count + 1) % 64 != 0 { text += " " }
    text += "\n"
    let length = UInt16(text.utf8.count)
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(length & 0xFF), UInt8(length >> 8)] + Array(text.utf8)
  }

  private mutating func add(_ name: String, _ array: [UInt8]) throws(RoleError) {
    let name = Array("\(name).npy".utf8)
    guard content.count + array.count + directory.count <= Self.limit else {
      throw RoleError(.resourceExhausted, "a .npz of more than 4 GiB; cut the data into more parts")
    }
    let checksum = array.withUnsafeBytes { training_crc32($0.baseAddress, UInt64($0.count)) }
    let start = content.count
    // Made by no version and on no date in particular, so that the same data gives the same file.
    var common: [UInt8] = []
    common += Self.word(20, 2) + Self.word(0, 2) + Self.word(0, 2) + Self.word(0, 2) + Self.word(0x21, 2)
    common += Self.word(checksum, 4) + Self.word(UInt32(array.count), 4) + Self.word(UInt32(array.count), 4)
    common += Self.word(UInt32(name.count), 2) + Self.word(0, 2)
    content += Self.word(0x0403_4B50, 4) + common + name + array
    directory += Self.word(0x0201_4B50, 4) + Self.word(20, 2) + common
    directory += Self.word(0, 2) + Self.word(0, 2) + Self.word(0, 2) + Self.word(0, 4) + Self.word(UInt32(start), 4)
    directory += name
    count += 1
  }

  package var bytes: [UInt8] {
    var end = Self.word(0x0605_4B50, 4) + Self.word(0, 2) + Self.word(0, 2)
    end += Self.word(UInt32(count), 2) + Self.word(UInt32(count), 2)
    end += Self.word(UInt32(directory.count), 4) + Self.word(UInt32(content.count), 4) + Self.word(0, 2)
    return content + directory + end
  }

  private static func word(_ number: UInt32, _ size: Int) -> [UInt8] {
    (0..<size).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) }
  }
}

extension NumberArray {
  /// Some of the rows, in the order that is given.
  package func rows(_ places: [UInt32]) -> NumberArray {
    let width = shape.dropFirst().reduce(1, *)
    var some: [Float] = []
    some.reserveCapacity(places.count * width)
    for place in places { some += numbers[Int(place) * width..<(Int(place) + 1) * width] }
    return NumberArray(shape: [places.count] + shape.dropFirst(), numbers: some, areBytes: areBytes)
  }
}
