import CCrypto
import HostCore

/// How the two ends of a link prove who they are: by the key that the whole cluster shares, or each by a certificate of
/// its own. Always TLS 1.3, and always with a key exchange of its own, so that a key that leaks later opens nothing
/// that was recorded.
final class PeerProof: @unchecked Sendable {
  /// What a handshake has shown of the other end, for messages only: nothing is proved until it is over.
  final class Note {
    var identity: Identity?
  }

  /// What a node says in the clear when it connects, so that the other end can say what is wrong.
  struct Identity: Equatable {
    var cluster: String
    var id: UInt32

    private static let prefix = "nodehost.peers/1"
    var text: String { "\(Self.prefix):\(cluster):\(id)" }

    init(cluster: String, id: UInt32) { (self.cluster, self.id) = (cluster, id) }

    init?(_ text: String) {
      let parts = text.split(separator: ":", omittingEmptySubsequences: false)
      guard parts.count == 3, parts[0] == Self.prefix, let id = UInt32(parts[2]) else { return nil }
      self.init(cluster: String(parts[1]), id: id)
    }
  }

  /// Taken from a link's socket at once. More saves calls when much comes; each link holds so much memory.
  private static let readAhead = 64 << 10
  /// What leaves a link in one call of the system while more waits: eight TLS records, as much as the system may hold
  /// unsent. More saves calls, and makes what is urgent wait longer.
  private static let gatherLimit = 8 * ((16 << 10) + 64)

  private let identity: Identity
  /// What OpenSSL is shown of it, at a place that stays.
  private let identityText: UnsafeMutableBufferPointer<UInt8>
  /// Nil if nodes have certificates.
  private let key: [UInt8]?
  private var client: TLSContext!
  private var server: TLSContext!

  var usesCertificates: Bool { key == nil }

  init(key: Secret, cluster: String, id: UInt32) throws(NetworkFailure) {
    identity = Identity(cluster: cluster, id: id)
    identityText = .allocate(capacity: identity.text.utf8.count)
    _ = identityText.initialize(from: identity.text.utf8)
    self.key = ClusterKey.derive(key, cluster: cluster)
    client = try sharing(TLS_client_method())
    SSL_CTX_set_psk_use_session_callback(client.raw) { session, hash, name, length, found in
      PeerProof.of(session).offer(session!, hash, name!, length!, found!)
    }
    server = try sharing(TLS_server_method())
    SSL_CTX_set_psk_find_session_callback(server.raw) { session, name, length, found in
      let text = String(decoding: UnsafeBufferPointer(start: name, count: length), as: UTF8.self)
      return PeerProof.of(session).find(session!, text, Note.of(session), found!)
    }
  }

  init(certificates files: TLSFiles, cluster: String, id: UInt32) throws(NetworkFailure) {
    identity = Identity(cluster: cluster, id: id)
    identityText = UnsafeMutableBufferPointer(start: nil, count: 0)
    key = nil
    client = try certified(TLS_client_method(), files)
    server = try certified(TLS_server_method(), files)
  }

  deinit { identityText.deallocate() }

  func session(_ descriptor: Int32, isServer: Bool, _ note: Note) -> TLSSession {
    let session = TLSSession(isServer ? server : client, descriptor: descriptor, isServer: isServer)
    session.gather(upTo: Self.gatherLimit)
    ctls_set_data(session.raw, Unmanaged.passUnretained(note).toOpaque())
    return session
  }

  /// Whether the other end may be this node. With a shared key every node of the cluster may be any.
  func confirms(_ session: TLSSession, _ id: UInt32) -> Bool {
    guard usesCertificates else { return true }
    guard let certificate = SSL_get1_peer_certificate(session.raw) else { return false }
    defer { X509_free(certificate) }
    let flags = UInt32(X509_CHECK_FLAG_NO_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT)
    return X509_check_host(certificate, Self.name(of: id, in: identity.cluster), 0, flags, nil) == 1
  }

  /// The DNS name that a node's certificate must have.
  static func name(of id: UInt32, in cluster: String) -> String { "node-\(id).\(cluster)" }

  /// Why a handshake failed, if OpenSSL's words do not say it: what to look at.
  func explanation(_ session: TLSSession, _ note: Note, isServer: Bool) -> String? {
    usesCertificates
      ? certificateExplanation(session.failureReason) : keyExplanation(session, note, isServer: isServer)
  }

  /// The side that refuses a certificate says so by itself.
  private func certificateExplanation(_ reason: Int32) -> String? {
    switch reason {
    case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
      return "it does not trust the authority of this node's certificate; see cluster.tls on both"
    case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
      return "this node's certificate has expired; exchange it and `hostctl reload`"
    case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE,
      SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
      return "it refuses this node's certificate; see cluster.tls"
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE,
      SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
      return "it has no certificate; all nodes must have cluster.tls, or all cluster.key"
    default: return nil
    }
  }

  private static let proofsDiffer =
    "it proves itself by a certificate, and this node by a key; all nodes must have cluster.tls, or all cluster.key"

  private func keyExplanation(_ session: TLSSession, _ note: Note, isServer: Bool) -> String? {
    switch (isServer, session.failureReason) {
    case (false, SSL_R_SSLV3_ALERT_ILLEGAL_PARAMETER), (false, SSL_R_TLSV1_ALERT_DECRYPT_ERROR):
      return "it has another key; cluster.key must be the same on all nodes"
    case (false, SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE):
      return "it is not of the cluster `\(identity.cluster)`, or nodes prove themselves by certificates there; "
        + "compare the cluster sections"
    case (false, SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED): return Self.proofsDiffer
    case (true, SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM) where note.identity == nil: return Self.proofsDiffer
    case (true, SSL_R_BINDER_DOES_NOT_VERIFY): return "it has another key; cluster.key must be the same on all nodes"
    case (true, _):
      guard let other = note.identity else { return nil }
      return other.cluster == identity.cluster
        ? nil : "it is of the cluster `\(other.cluster)`, not `\(identity.cluster)`"
    default: return nil
    }
  }

  // MARK: Contexts

  private func base(_ method: OpaquePointer) throws(NetworkFailure) -> TLSContext {
    let context = try TLSContext.make(method, least: TLS1_3_VERSION)
    // Links last, so nobody resumes sessions.
    _ = ctls_no_session_cache(context.raw)
    SSL_CTX_set_num_tickets(context.raw, 0)
    ctls_read_ahead(context.raw, Self.readAhead)
    ctls_set_context_data(context.raw, Unmanaged.passUnretained(self).toOpaque())
    return context
  }

  private func sharing(_ method: OpaquePointer) throws(NetworkFailure) -> TLSContext {
    let context = try base(method)
    // The key goes with SHA-256, and so only with these.
    guard SSL_CTX_set_ciphersuites(context.raw, "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256") == 1 else {
      throw TLSContext.failure("no TLS 1.3 ciphers")
    }
    return context
  }

  private func certified(_ method: OpaquePointer, _ files: TLSFiles) throws(NetworkFailure) -> TLSContext {
    let context = try base(method)
    try context.use(certificate: files.certificate, key: files.key)
    if let authority = files.clientAuthority { try context.trust(authority) }
    SSL_CTX_set_verify(context.raw, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
    return context
  }

  // MARK: The shared key

  private static func of(_ session: OpaquePointer?) -> PeerProof {
    Unmanaged<PeerProof>.fromOpaque(ctls_context_data(session)).takeUnretainedValue()
  }

  private func offer(
    _ session: OpaquePointer, _ hash: OpaquePointer?, _ name: UnsafeMutablePointer<UnsafePointer<UInt8>?>,
    _ length: UnsafeMutablePointer<Int>,
    _ found: UnsafeMutablePointer<OpaquePointer?>
  ) -> Int32 {
    found.pointee = nil
    // Asked again after the other side has chosen; only SHA-256 is ours.
    if let hash, EVP_MD_get_type(hash) != NID_sha256 { return 1 }
    name.pointee = UnsafePointer(identityText.baseAddress)
    length.pointee = identityText.count
    found.pointee = known(session)
    return found.pointee == nil ? 0 : 1
  }

  private func find(
    _ session: OpaquePointer, _ text: String, _ note: Note?, _ found: UnsafeMutablePointer<OpaquePointer?>
  ) -> Int32 {
    let other = Identity(text)
    note?.identity = other
    found.pointee = other?.cluster == identity.cluster ? known(session) : nil
    return 1
  }

  /// The session of before that the shared key stands for.
  private func known(_ connection: OpaquePointer) -> OpaquePointer? {
    let cipher: [UInt8] = [0x13, 0x01]  // TLS_AES_128_GCM_SHA256
    guard let key, let session = SSL_SESSION_new() else { return nil }
    guard let suite = SSL_CIPHER_find(connection, cipher), SSL_SESSION_set1_master_key(session, key, key.count) == 1,
      SSL_SESSION_set_cipher(session, suite) == 1, SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION) == 1
    else {
      SSL_SESSION_free(session)
      return nil
    }
    return session
  }
}

extension PeerProof.Note {
  fileprivate static func of(_ session: OpaquePointer?) -> PeerProof.Note? {
    ctls_data(session).map { Unmanaged.fromOpaque($0).takeUnretainedValue() }
  }
}
