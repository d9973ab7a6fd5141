internal import CTraining

/// Writes a .npz: a zip file in which each array is a .npy, stored as it is.
struct NpzWriter {
  private var bytes: [UInt8] = []
  private var directory: [UInt8] = []
  private var count = 0

  init(reserving size: Int) { bytes.reserveCapacity(size) }

  mutating func add(_ tensor: TrainedTensor) {
    let place = bytes.count, header = Self.header(tensor.shape), name = Array("\(tensor.name).npy".utf8)
    let size = header.count + 4 * tensor.values.count
    // The checksum stands before what it is of.
    bytes.littleEndian(0x0403_4B50, 4)
    let fields = bytes.count
    bytes += [UInt8](repeating: 0, count: 26)
    bytes += name
    let start = bytes.count
    bytes += header
    tensor.values.withUnsafeBytes { bytes.append(contentsOf: $0) }
    let checksum = bytes.withUnsafeBytes { training_crc32($0.baseAddress! + start, UInt64(size)) }
    var described: [UInt8] = []
    // Version 2.0, names in UTF-8, stored, 1 January 1980.
    for (number, width) in [(20, 2), (0x0800, 2), (0, 2), (0, 2), (0x21, 2)] { described.littleEndian(number, width) }
    for number in [Int(checksum), size, size] { described.littleEndian(number, 4) }
    described.littleEndian(name.count, 2)
    described.littleEndian(0, 2)
    bytes.replaceSubrange(fields..<fields + 26, with: described)
    directory.littleEndian(0x0201_4B50, 4)
    directory.littleEndian(20, 2)
    directory += described
    // No comment, on the first disk, no attributes.
    directory += [UInt8](repeating: 0, count: 10)
    directory.littleEndian(place, 4)
    directory += name
    count += 1
  }

  /// Of version 1.0: floats, the last dimension beside one another, up to a multiple of 64 bytes.
  private static func header(_ shape: [Int]) -> [UInt8] {
    let sizes = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    var text = Array("{'descr': '<f4', 'fortran_order': False, 'shape': (\(sizes)), }".utf8)
    while (10 + text.count + 1) % 64 != 0 { text.append(UInt8(ascii: " ")) }
    text.append(UInt8(ascii: "\n"))
    var header: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
    header.littleEndian(text.count, 2)
    return header + text
  }

  mutating func end() -> [UInt8] {
    let place = bytes.count
    bytes += directory
    bytes.littleEndian(0x0605_4B50, 4)
    bytes.littleEndian(0, 4)
    for number in [count, count] { bytes.littleEndian(number, 2) }
    for number in [directory.count, place] { bytes.littleEndian(number, 4) }
    bytes.littleEndian(0, 2)
    return bytes
  }
}

extension [UInt8] {
  fileprivate mutating func littleEndian(_ number: Int, _ width: Int) {
    for byte in 0..<width { append(UInt8(truncatingIfNeeded: number >> (8 * byte))) }
  }
}
