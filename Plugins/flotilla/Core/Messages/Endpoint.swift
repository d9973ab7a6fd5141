/// An address and a port in one text.
package enum Endpoint {
  package static func parts(_ text: String) -> (host: String, port: Int)? {
    guard let colon = text.lastIndex(of: ":") else { return nil }
    let digits = text[text.index(after: colon)...]
    guard digits.utf8.allSatisfy({ $0 >= UInt8(ascii: "0") }), let port = UInt16(digits), port > 0 else { return nil }
    var host = text[..<colon]
    if host.hasPrefix("["), host.hasSuffix("]") { host = host.dropFirst().dropLast() }
    let isPlain = host.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !#"/\"'[]@"#.utf8.contains($0) }
    return host.isEmpty || !isPlain ? nil : (String(host), Int(port))
  }

  package static func text(_ host: String, _ port: Int) -> String {
    host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]:\(port)" : "\(host):\(port)"
  }

  /// Reached from its own machine only.
  static func isLoopback(_ host: String) -> Bool {
    host.hasPrefix("127.") || host == "localhost" || host == "::1" || host == "0.0.0.0"
  }
}
