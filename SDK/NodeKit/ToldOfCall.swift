internal import CNodeABI

/// What the host tells of a call that has come, in one block of memory, for roles that may never look at it.
struct ToldOfCall: Sendable {
  /// Each text behind its length: who calls, then names and values of the metadata in turn.
  private let bytes: [UInt8]

  private static let lengthSize = MemoryLayout<UInt32>.size

  init(remote: nh_str, metadata: nh_pair_list) {
    let pairs = UnsafeBufferPointer(start: metadata.items, count: metadata.items == nil ? 0 : Int(metadata.count))
    let size = pairs.reduce(Self.size(remote)) { $0 + Self.size($1.name) + Self.size($1.value) }
    // Copied from the stack: an array's own room, if it is not filled from somewhere, is made by generic code.
    bytes = withUnsafeTemporaryAllocation(byteCount: size, alignment: Self.lengthSize) { room in
      var next = room.baseAddress!
      Self.put(remote, &next)
      for pair in pairs {
        Self.put(pair.name, &next)
        Self.put(pair.value, &next)
      }
      return Array(UnsafeRawBufferPointer(room))
    }
  }

  private static func size(_ text: nh_str) -> Int { lengthSize + (text.ptr == nil ? 0 : Int(text.len)) }

  private static func put(_ text: nh_str, _ next: inout UnsafeMutableRawPointer) {
    let count = size(text) - lengthSize
    next.storeBytes(of: UInt32(count).littleEndian, as: UInt32.self)
    if let start = text.ptr { (next + lengthSize).copyMemory(from: start, byteCount: count) }
    next += lengthSize + count
  }

  var remote: String {
    var reader = ByteReader(bytes)
    return String(decoding: (try? reader.counted()) ?? [], as: UTF8.self)
  }

  var metadata: RpcMetadata {
    var reader = ByteReader(bytes), metadata = RpcMetadata()
    _ = try? reader.counted()
    while reader.left > 0, let name = try? reader.counted(), let value = try? reader.counted() {
      metadata.add(String(decoding: name, as: UTF8.self), value)
    }
    return metadata
  }
}
