/// Where clients reach a node: a port alone is one where the other nodes see it.
struct PublicAddress: Equatable {
  var scheme = "http"
  /// Empty: where the others see the node.
  var host: String
  var port: Int?

  init?(_ text: String) {
    var rest = text[...]
    for scheme in ["http", "https"] where rest.hasPrefix("\(scheme)://") {
      self.scheme = scheme
      rest = rest.dropFirst(scheme.utf8.count + 3)
    }
    if rest.last == "/" { rest.removeLast() }
    guard rest.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "@") }) else {
      return nil
    }
    host = String(Self.host(of: rest))
    let tail = rest.dropFirst(host.utf8.count)
    if tail.isEmpty {
      guard !host.isEmpty else { return nil }
      return
    }
    guard tail.first == ":", let port = Int(tail.dropFirst()), (1...65_535).contains(port) else { return nil }
    self.port = port
  }

  /// What stands before the port: `[::1]` has colons of its own.
  static func host(of address: Substring) -> Substring {
    if address.first == "[", let end = address.firstIndex(of: "]") { return address[...end] }
    return address[..<(address.lastIndex(of: ":") ?? address.endIndex)]
  }

  /// `seen` is the address at which the other nodes see it, with a port that is not meant.
  func url(seenAt seen: String) -> String {
    let host = host.isEmpty ? String(Self.host(of: seen[...])) : host
    return "\(scheme)://\(host)\(port.map { ":\($0)" } ?? "")"
  }
}
