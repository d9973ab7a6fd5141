internal import CTraining
package import NodeValues

/// Writes NumPy's .npz: a zip file with arrays as they are, so that NumPy reads it, and ``NpzReader``.
package struct NpzWriter {
  private var content: [UInt8] = []
  private var directory: [UInt8] = []
  private var count = 0

  /// Of the whole: zip's numbers have 32 bits.
  private static let limit = Int(UInt32.max) - (1 << 20)

  package init(reserving size: Int = 0) { content.reserveCapacity(size) }

  /// Bytes stay bytes, all else is written as float32.
  package mutating func add(_ name: String, _ array: NumberArray) throws(RoleError) {
    guard array.areBytes else { return try add(name, array.shape, array.numbers) }
    let bytes = array.numbers.map { UInt8(max(0, min(255, $0))) }
    try add(name, Self.header("|u1", array.shape), bytes)
  }

  package mutating func add(_ name: String, _ shape: [Int], _ numbers: [Float]) throws(RoleError) {
    try add(name, Self.header("<f4", shape), numbers)
  }

  package mutating func add(_ name: String, _ labels: [Int32]) throws(RoleError) {
    try add(name, Self.header("<i4", [labels.count]), labels)
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

  private mutating func add<Number: BitwiseCopyable>(
    _ name: String, _ header: [UInt8], _ numbers: [Number]
  ) throws(RoleError) {
    let name = Array("\(name).npy".utf8), size = header.count + numbers.count * MemoryLayout<Number>.stride
    guard content.count + size + directory.count <= Self.limit else {
      throw RoleError(.resourceExhausted, "a .npz of more than 4 GiB; cut it into more parts")
    }
    let place = content.count
    content += Self.word(0x0403_4B50, 4)
    // The checksum stands before what it is of.
    let fields = content.count
    content += [UInt8](repeating: 0, count: Self.fieldsLength)
    content += name
    let start = content.count
    content += header
    numbers.withUnsafeBytes { content.append(contentsOf: $0) }
    let checksum = content.withUnsafeBytes { training_crc32($0.baseAddress! + start, UInt64(size)) }
    let described = Self.fields(checksum, size, name.count)
    content.replaceSubrange(fields..<fields + Self.fieldsLength, with: described)
    directory += Self.word(0x0201_4B50, 4) + Self.word(20, 2) + described
    // No comment, on the first disk, no attributes.
    directory += [UInt8](repeating: 0, count: 10) + Self.word(UInt32(place), 4)
    directory += name
    count += 1
  }

  private static let fieldsLength = 26

  /// Version 2.0, a name in UTF-8, stored as it is, and on no date in particular, so that the same data gives the same
  /// file.
  private static func fields(_ checksum: UInt32, _ size: Int, _ name: Int) -> [UInt8] {
    var fields = word(20, 2) + word(0x0800, 2) + word(0, 2) + word(0, 2) + word(0x21, 2)
    fields += word(checksum, 4) + word(UInt32(size), 4) + word(UInt32(size), 4)
    return fields + word(UInt32(name), 2) + word(0, 2)
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
