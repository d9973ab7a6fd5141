import HostCore

/// Where requests go, and how the connections there speak. Connections are shared by all requests with the same one.
struct ClientAddress: Hashable, Sendable {
  enum Wire: Hashable, Sendable {
    /// HTTP/2 if ALPN chooses it, else HTTP/1.1.
    case automatic
    case http1
    /// HTTP/2 also without TLS, where the other side must be known to speak it.
    case http2

    /// What TLS offers, the most welcome first.
    var protocols: [String] {
      switch self {
      case .automatic: [TLSContext.http2, TLSContext.http1]
      case .http1: [TLSContext.http1]
      case .http2: [TLSContext.http2]
      }
    }
  }

  var host: String
  var port: UInt16
  var wire = Wire.automatic
  /// Nil is a plain connection.
  var tls: ClientTLS?

  /// "host:port" as a Host header has it: without the port if it is the scheme's own.
  var authority: String {
    let name = host.contains(":") ? "[\(host)]" : host
    return port == (tls == nil ? 80 : 443) ? name : "\(name):\(port)"
  }

  init(host: String, port: UInt16, wire: Wire = .automatic, tls: ClientTLS? = nil) {
    (self.host, self.port, self.wire, self.tls) = (host, port, wire, tls)
  }

  init(_ url: HTTPURL, tls: ClientTLS?) {
    self.init(host: url.host, port: url.port, wire: url.scheme == .h2c ? .http2 : .automatic, tls: tls)
  }

  var secret: ClientSecret? { tls.map { ClientSecret(tls: $0, wire: wire, name: host) } }

  var words: String { "\(host.contains(":") ? "[\(host)]" : host):\(port)" }
}

/// Whom a client's connections believe, and as whom they speak. Equal only to itself.
final class ClientTLS: Hashable, Sendable {
  private let sources: (automatic: TLSSource, http1: TLSSource, http2: TLSSource)?

  /// Certificates must be of `authority`, or of one that the system trusts.
  init(authority: String? = nil, own: TLSFiles? = nil) throws(NetworkFailure) {
    func source(_ wire: ClientAddress.Wire) throws(NetworkFailure) -> TLSSource {
      try TLSSource { () throws(NetworkFailure) in
        try TLSContext.client(authority: authority, own: own, protocols: wire.protocols)
      }
    }
    sources = (try source(.automatic), try source(.http1), try source(.http2))
  }

  /// Where TLS is not used: it only says that it is wanted.
  init(unused: Void) { sources = nil }

  func context(_ wire: ClientAddress.Wire) -> TLSContext {
    guard let sources else { preconditionFailure("TLS is not used here") }
    return switch wire {
    case .automatic: sources.automatic.context
    case .http1: sources.http1.context
    case .http2: sources.http2.context
    }
  }

  static func == (left: ClientTLS, right: ClientTLS) -> Bool { left === right }
  func hash(into hasher: inout Hasher) { hasher.combine(ObjectIdentifier(self)) }
}

/// How much of everything requests to one address may take on one loop.
struct ClientLimits: Sendable {
  var head = HeadLimits()
  /// Connections to one address, busy or kept. More make more requests possible at once, and load the other side.
  var connections = 256
  /// Requests that wait for a connection; more fail at once.
  var waiting = 1_024
  /// Requests at once on one connection of HTTP/2, if the other side allows as many.
  var streams = 128
  // Nanoseconds.
  /// For finding the address, connecting and TLS, all addresses of a name together.
  var connect: Int64 = 5_000_000_000
  /// How long a connection without requests is kept: shorter than servers keep theirs, so that seldom both end at once.
  var idle: Int64 = 50_000_000_000
}
