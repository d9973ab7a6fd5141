import CNodeABI

/// Who is at the other end of a connection; made once for all its requests.
final class Remote: @unchecked Sendable {
  let address: SocketAddress
  /// "10.0.0.7:51234". Never changes.
  let text: UnsafeRawBufferPointer
  /// "10.0.0.7", or "::1". Never changes.
  let host: UnsafeRawBufferPointer

  init(_ address: SocketAddress) {
    self.address = address
    let words = Array(address.description.utf8)
    let end = words.lastIndex(of: UInt8(ascii: ":")) ?? words.endIndex
    text = Self.kept(words)
    host = Self.kept(words[..<end].filter { $0 != UInt8(ascii: "[") && $0 != UInt8(ascii: "]") })
  }

  /// For a role, as long as this lives.
  var lent: nh_str {
    nh_str(ptr: text.baseAddress?.assumingMemoryBound(to: CChar.self), len: UInt64(text.count))
  }

  private static func kept(_ words: [UInt8]) -> UnsafeRawBufferPointer {
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: words.count, alignment: 1)
    room.copyBytes(from: words)
    return UnsafeRawBufferPointer(room)
  }

  deinit {
    text.deallocate()
    host.deallocate()
  }
}
