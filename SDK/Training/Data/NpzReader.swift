internal import CTraining
package import NodeValues

/// NumPy's .npz: a zip file with one .npy for each array, stored or deflated. Of the zip format no more is read than
/// numpy.savez and numpy.savez_compressed write.
package struct NpzReader {
  private struct Entry {
    var name: String
    var isDeflated: Bool
    var checksum: UInt32
    var packed: Int
    var size: Int
    var offset: Int
  }

  private static let entryLimit = 4_096
  /// An array's file may be so large: numbers of eight bytes, and a header.
  private static let sizeLimit = NumberArray.limit * 8 + (1 << 17)
  /// The end of a zip file, with the longest comment.
  private static let endLength = 22, commentLimit = 65_535

  private let bytes: ArraySlice<UInt8>
  private let entries: [Entry]

  package init(_ bytes: ArraySlice<UInt8>) throws(RoleError) {
    self.bytes = bytes
    entries = try Self.directory(bytes)
  }

  package var names: [String] { entries.map(\.name) }

  package func array(_ name: String) throws(RoleError) -> NumberArray {
    guard let entry = entries.first(where: { $0.name == name }) else {
      throw RoleError(.notFound, "there is no array `\(name)`; there are \(names.joined(separator: ", "))")
    }
    do { return try NumberArray(npy: content(entry)[...]) } catch {
      throw RoleError(error.status, error.message, at: name)
    }
  }

  private static func directory(_ bytes: ArraySlice<UInt8>) throws(RoleError) -> [Entry] {
    let first = max(bytes.startIndex, bytes.endIndex - endLength - commentLimit)
    var place = bytes.endIndex - endLength
    while place >= first, !bytes[place..<place + 4].elementsEqual([0x50, 0x4B, 5, 6]) { place -= 1 }
    guard place >= first else { throw damaged("it does not end like a .npz file; save it with numpy.savez") }
    var end = ByteReader(bytes[(place + 10)...])
    let count = try end.littleEndian(2), size = try end.littleEndian(4), offset = try end.littleEndian(4)
    guard count <= entryLimit, count != 0xFFFF, offset != 0xFFFF_FFFF else {
      throw damaged("it has more arrays, or is larger, than is read; split it into several")
    }
    guard offset + size <= bytes.count else { throw damaged("its directory lies past its end") }
    var reader = ByteReader(bytes[(bytes.startIndex + offset)..<(bytes.startIndex + offset + size)])
    var entries: [Entry] = []
    for _ in 0..<count { entries.append(try entry(&reader)) }
    return entries
  }

  private static func entry(_ reader: inout ByteReader) throws(RoleError) -> Entry {
    guard try reader.littleEndian(4) == 0x0201_4B50 else { throw damaged("its directory is not one") }
    _ = try reader.take(4)
    let flags = try reader.littleEndian(2), method = try reader.littleEndian(2)
    _ = try reader.take(4)
    let checksum = try reader.littleEndian(4), packed = try reader.littleEndian(4), size = try reader.littleEndian(4)
    let nameLength = try reader.littleEndian(2), extra = try reader.littleEndian(2),
      comment = try reader.littleEndian(2)
    _ = try reader.take(8)
    let offset = try reader.littleEndian(4)
    var name = String(decoding: try reader.take(nameLength), as: UTF8.self)
    _ = try reader.take(extra + comment)
    guard flags & 1 == 0 else { throw RoleError(.invalidArgument, "\(name) is encrypted; save it with numpy.savez") }
    guard method == 0 || method == 8 else {
      throw RoleError(.invalidArgument, "\(name) is packed in way \(method); save it with numpy.savez_compressed")
    }
    guard packed != 0xFFFF_FFFF, size != 0xFFFF_FFFF else {
      throw RoleError(.invalidArgument, "\(name) has 4 GiB or more; split it into several")
    }
    if name.hasSuffix(".npy") { name.removeLast(4) }
    return Entry(
      name: name, isDeflated: method == 8, checksum: UInt32(checksum), packed: packed, size: size, offset: offset)
  }

  private func content(_ entry: Entry) throws(RoleError) -> [UInt8] {
    guard entry.offset <= bytes.count else { throw damaged("it lies past the file's end") }
    var reader = ByteReader(bytes[(bytes.startIndex + entry.offset)...])
    guard try reader.littleEndian(4) == 0x0403_4B50 else { throw damaged("there is nothing at its place") }
    _ = try reader.take(22)
    let nameLength = try reader.littleEndian(2), extra = try reader.littleEndian(2)
    _ = try reader.take(nameLength + extra)
    let packed = try reader.take(entry.packed)
    // A kilobyte of deflated zeros is a megabyte and no more.
    guard entry.size <= Self.sizeLimit, entry.size <= entry.packed * 1_100 + 1_024 else {
      throw damaged("it says that it unpacks to \(entry.size) bytes")
    }
    guard entry.isDeflated || entry.size == entry.packed else { throw damaged("it has two sizes") }
    let content = entry.isDeflated ? try inflate(packed, TRAINING_RAW_DEFLATE, to: entry.size) : Array(packed)
    guard training_crc32(content, UInt64(content.count)) == entry.checksum else {
      throw damaged("its checksum differs")
    }
    return content
  }
}

/// Unpacks what must be so many bytes.
func inflate(_ packed: ArraySlice<UInt8>, _ kind: UInt32, to size: Int) throws(RoleError) -> [UInt8] {
  var error = training_error(), failed: Int32 = 0
  let content = [UInt8](unsafeUninitializedCapacity: max(1, size)) { room, count in
    packed.withUnsafeBytes { bytes in
      // Of nothing there is no address.
      var nothing: UInt8 = 0
      failed = withUnsafeBytes(of: &nothing) {
        training_inflate(
          kind, bytes.baseAddress ?? $0.baseAddress!, UInt64(bytes.count), room.baseAddress!, UInt64(size), &error)
      }
    }
    count = failed == 0 ? size : 0
  }
  guard failed == 0 else { throw damaged(error.words) }
  return content
}
