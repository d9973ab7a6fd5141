/// "https://host:port/path?query", taken apart. Names and passwords before the host are refused.
package struct HTTPURL: Sendable, Equatable {
  package enum Scheme: String, Sendable, CaseIterable {
    case http
    case https
    /// HTTP/2 without TLS, where the other side is known to speak it.
    case h2c

    /// Where none is named.
    package var port: UInt16 { self == .https ? 443 : 80 }
  }

  package var scheme: Scheme
  package var host: String
  package var port: UInt16
  /// Path and query as they are sent.
  package var target: String

  /// - Parameter schemes: those that it may have.
  package init?(_ text: String, _ schemes: [Scheme] = [.http, .https]) {
    guard let scheme = schemes.first(where: { text.lowercased().hasPrefix("\($0)://") }) else { return nil }
    self.scheme = scheme
    var rest = text.dropFirst("\(scheme)://".count)
    if let hash = rest.firstIndex(of: "#") { rest = rest[..<hash] }
    let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
    let place = String(rest[..<end])
    let hasPort = place.hasPrefix("[") ? place.contains("]:") : place.contains(":")
    guard let endpoint = Endpoint(hasPort ? place : "\(place):\(scheme.port)"), endpoint.port > 0 else { return nil }
    host = endpoint.host
    port = endpoint.port
    let tail = rest[end...]
    target = tail.hasPrefix("/") ? String(tail) : "/" + tail
    guard target.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
  }

  /// As a Host header has it: without the port if it is the scheme's own.
  package var authority: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == scheme.port ? name : "\(name):\(port)"
  }

  package var isSecure: Bool { scheme == .https }
}
