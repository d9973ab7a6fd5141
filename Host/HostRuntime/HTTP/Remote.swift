/// Who is at the other end of a connection; made once for all its requests.
final class Remote: @unchecked Sendable {
  let address: SocketAddress
  /// "10.0.0.7:51234".
  let text: [UInt8]
  /// "10.0.0.7", or "::1". Never changes.
  private let hostText: UnsafeMutableRawBufferPointer

  init(_ address: SocketAddress) {
    self.address = address
    text = Array(address.description.utf8)
    let end = text.lastIndex(of: UInt8(ascii: ":")) ?? text.endIndex
    let host = text[..<end].filter { $0 != UInt8(ascii: "[") && $0 != UInt8(ascii: "]") }
    hostText = .allocate(byteCount: host.count, alignment: 1)
    hostText.copyBytes(from: host)
  }

  deinit { hostText.deallocate() }

  var host: UnsafeRawBufferPointer { UnsafeRawBufferPointer(hostText) }
}
