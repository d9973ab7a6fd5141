/// "https://host:port/path?query", taken apart. Names and passwords before the host are refused.
package struct HTTPURL: Sendable, Equatable {
  package var isSecure: Bool
  package var host: String
  package var port: UInt16
  /// Path and query as they are sent.
  package var target: String

  package init?(_ text: String) {
    guard let scheme = ["http://", "https://"].first(where: { text.lowercased().hasPrefix($0) }) else { return nil }
    isSecure = scheme == "https://"
    var rest = text.dropFirst(scheme.count)
    if let hash = rest.firstIndex(of: "#") { rest = rest[..<hash] }
    let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
    let place = String(rest[..<end])
    let standard: UInt16 = isSecure ? 443 : 80
    let hasPort = place.hasPrefix("[") ? place.contains("]:") : place.contains(":")
    guard let endpoint = Endpoint(hasPort ? place : "\(place):\(standard)"), endpoint.port > 0 else { return nil }
    host = endpoint.host
    port = endpoint.port
    let tail = rest[end...]
    target = tail.hasPrefix("/") ? String(tail) : "/" + tail
    guard target.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
  }

  /// As a Host header has it: without the port if it is the scheme's own.
  package var authority: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == (isSecure ? 443 : 80) ? name : "\(name):\(port)"
  }
}
