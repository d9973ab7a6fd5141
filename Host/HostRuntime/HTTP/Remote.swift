/// Who is at the other end of a connection; made once for all its requests.
final class Remote: Sendable {
  let address: SocketAddress
  /// "10.0.0.7:51234".
  let text: [UInt8]

  init(_ address: SocketAddress) {
    self.address = address
    text = Array(address.description.utf8)
  }
}
