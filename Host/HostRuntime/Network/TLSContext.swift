import CCrypto
import Glibc
import HostCore
import Synchronization

/// How one side of a TLS connection proves who it is and whom it believes. Connections keep the one that they began
/// with; a newer one serves those that come later.
final class TLSContext: @unchecked Sendable {
  /// A protocol inside TLS, as ALPN names it.
  static let http2 = "h2"
  static let http1 = "http/1.1"

  let raw: OpaquePointer
  /// Offered, or accepted in the order of preference; each with its length before it, as on the wire.
  private let protocols: [UInt8]

  private init(_ raw: OpaquePointer, protocols: [String]) {
    self.raw = raw
    self.protocols = protocols.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
  }

  deinit { SSL_CTX_free(raw) }

  /// For a listener. Clients must show a certificate of `clientAuthority`, if there is one.
  static func server(_ files: TLSFiles, protocols: [String]) throws(NetworkFailure) -> TLSContext {
    let context = try make(TLS_server_method(), protocols: protocols)
    try context.use(certificate: files.certificate, key: files.key)
    if let authority = files.clientAuthority {
      try context.trust(authority)
      guard let names = SSL_load_client_CA_file(authority) else { throw failure("cannot read \(authority)") }
      SSL_CTX_set_client_CA_list(context.raw, names)
      SSL_CTX_set_verify(context.raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
    }
    let own = Unmanaged.passUnretained(context).toOpaque()
    SSL_CTX_set_alpn_select_cb(
      context.raw,
      { _, chosen, length, offered, offeredLength, own in
        Unmanaged<TLSContext>.fromOpaque(own!).takeUnretainedValue().choose(chosen!, length!, offered!, offeredLength)
      }, own)
    return context
  }

  /// For connections to others, whose certificates must be of `authority`, or of one that the system trusts.
  static func client(authority: String? = nil, own: TLSFiles? = nil, protocols: [String])
    throws(NetworkFailure) -> TLSContext
  {
    let context = try make(TLS_client_method(), protocols: protocols)
    if let authority { try context.trust(authority) } else { SSL_CTX_set_default_verify_paths(context.raw) }
    if let own { try context.use(certificate: own.certificate, key: own.key) }
    SSL_CTX_set_verify(context.raw, SSL_VERIFY_PEER, nil)
    SSL_CTX_set_alpn_protos(context.raw, context.protocols, UInt32(context.protocols.count))
    return context
  }

  /// The least that all kinds have in common; who calls this says whom to believe.
  static func make(
    _ method: OpaquePointer, protocols: [String] = [], least: Int32 = TLS1_2_VERSION
  ) throws(NetworkFailure) -> TLSContext {
    ERR_clear_error()
    guard let raw = SSL_CTX_new(method) else { throw failure("no TLS") }
    _ = ctls_least_version(raw, least)
    // Records are sent from a queue that may have moved by the time they are tried again.
    _ = ctls_mode(
      raw, Int(SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS))
    ctls_no_renegotiation(raw)
    return TLSContext(raw, protocols: protocols)
  }

  func use(certificate: String, key: String) throws(NetworkFailure) {
    guard SSL_CTX_use_certificate_chain_file(raw, certificate) == 1 else {
      throw Self.failure("cannot use the certificate \(certificate)")
    }
    guard SSL_CTX_use_PrivateKey_file(raw, key, SSL_FILETYPE_PEM) == 1 else {
      throw Self.failure("cannot use the key \(key)")
    }
    guard SSL_CTX_check_private_key(raw) == 1 else {
      throw Self.failure("the key \(key) does not belong to the certificate \(certificate)")
    }
  }

  func trust(_ authority: String) throws(NetworkFailure) {
    guard SSL_CTX_load_verify_file(raw, authority) == 1 else {
      throw Self.failure("cannot use the certificates of \(authority)")
    }
  }

  private func choose(
    _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>, _ length: UnsafeMutablePointer<UInt8>,
    _ offered: UnsafePointer<UInt8>, _ offeredLength: UInt32
  ) -> Int32 {
    protocols.withUnsafeBufferPointer { ours in
      var found: UnsafeMutablePointer<UInt8>?
      let outcome = SSL_select_next_proto(&found, length, ours.baseAddress, UInt32(ours.count), offered, offeredLength)
      // The array lives as long as the context, but its place is Swift's to choose: what was offered is the same text.
      guard outcome == OPENSSL_NPN_NEGOTIATED, let found else { return SSL_TLSEXT_ERR_ALERT_FATAL }
      let name = UnsafeBufferPointer(start: found, count: Int(length.pointee))
      var place = 0
      while place < Int(offeredLength) {
        let count = Int(offered[place])
        if UnsafeBufferPointer(start: offered + place + 1, count: count).elementsEqual(name) {
          chosen.pointee = offered + place + 1
          return SSL_TLSEXT_ERR_OK
        }
        place += count + 1
      }
      return SSL_TLSEXT_ERR_ALERT_FATAL
    }
  }

  /// What OpenSSL says was wrong, behind what was tried.
  static func failure(_ what: String) -> NetworkFailure {
    let code = ERR_get_error()
    ERR_clear_error()
    guard code != 0, let reason = ERR_reason_error_string(code) else { return NetworkFailure(what) }
    return NetworkFailure("\(what): \(String(cString: reason))")
  }
}

/// The context that new connections take; replaced when the files are read again.
final class TLSSource: Sendable {
  private let current: Mutex<TLSContext>
  private let make: @Sendable () throws(NetworkFailure) -> TLSContext

  init(_ make: @escaping @Sendable () throws(NetworkFailure) -> TLSContext) throws(NetworkFailure) {
    self.make = make
    current = Mutex(try make())
  }

  var context: TLSContext { current.withLock { $0 } }

  /// Reads the files again. What cannot be used leaves the old ones in place.
  func reload() throws(NetworkFailure) {
    let new = try make()
    current.withLock { $0 = new }
  }
}
