import CCrypto
import Glibc

/// TLS on one socket. OpenSSL reads and writes the socket itself; it is asked again when that is ready.
final class TLSSession {
  enum Outcome {
    case bytes(Int)
    /// The socket has to become ready first.
    case wait
    /// The other side has said that it will send no more.
    case ended
    case failed(NetworkFailure)
  }

  let raw: OpaquePointer
  /// OpenSSL looks at it through callbacks.
  private let context: TLSContext
  private(set) var isOpen = false
  /// Whether what is written waits for `push`, so that many records leave in one call of the system.
  private var gathers = false
  /// Written, and not pushed out yet.
  private(set) var hasGathered = false
  /// OpenSSL's number for why it failed, which tells more than the words; 0 if it has not.
  private(set) var failureReason: Int32 = 0

  init(_ context: TLSContext, descriptor: Int32, isServer: Bool, name: String? = nil) {
    self.context = context
    raw = SSL_new(context.raw)!
    SSL_set_fd(raw, descriptor)
    // Without reading ahead OpenSSL asks for what it needs, and always gets it.
    if SSL_get_read_ahead(raw) == 1 { ctls_note_reads(raw) }
    if isServer { SSL_set_accept_state(raw) } else { SSL_set_connect_state(raw) }
    if let name { expect(name) }
  }

  deinit { SSL_free(raw) }

  /// From now on records gather in room for so many bytes until they are pushed out, or the room is full. Before the
  /// handshake.
  func gather(upTo bytes: Int) { gathers = ctls_gather(raw, bytes) == 1 }

  /// A client's: the other side's certificate must be for this name or address.
  private func expect(_ name: String) {
    let parameters = SSL_get0_param(raw)
    if X509_VERIFY_PARAM_set1_ip_asc(parameters, name) == 1 { return }
    _ = ctls_server_name(raw, name)
    SSL_set1_host(raw, name)
  }

  /// `bytes` when it is done.
  func handshake() -> Outcome {
    ERR_clear_error()
    let status = SSL_do_handshake(raw)
    if status == 1 { isOpen = true }
    return status == 1 ? .bytes(0) : outcome(status)
  }

  func read(into room: UnsafeMutableRawBufferPointer) -> Outcome {
    ERR_clear_error()
    let count = SSL_read(raw, room.baseAddress, Int32(clamping: room.count))
    return count > 0 ? .bytes(Int(count)) : outcome(count)
  }

  /// Whether nothing more can be read before the socket is ready again, as far as that is known without asking it.
  var hasReadAll: Bool { ctls_has_read_all(raw) != 0 }

  func write(_ bytes: UnsafeRawBufferPointer) -> Outcome {
    ERR_clear_error()
    let count = SSL_write(raw, bytes.baseAddress, Int32(clamping: bytes.count))
    if gathers { hasGathered = true }
    return count > 0 ? .bytes(Int(count)) : outcome(count)
  }

  /// Sends what has gathered; `bytes` when all of it has left.
  func push() -> Outcome {
    ERR_clear_error()
    if ctls_push(raw) == 1 {
      hasGathered = false
      return .bytes(0)
    }
    return ctls_push_may_be_tried_again(raw) != 0 ? .wait : .failed(.system("the connection broke"))
  }

  /// Says that nothing more will be sent.
  func sayEnd() {
    ERR_clear_error()
    if isOpen { SSL_shutdown(raw) }
    ERR_clear_error()
  }

  /// What ALPN has chosen; empty if the other side does not know ALPN.
  var chosenProtocol: String {
    var name: UnsafePointer<UInt8>?
    var length: UInt32 = 0
    SSL_get0_alpn_selected(raw, &name, &length)
    return String(decoding: UnsafeBufferPointer(start: name, count: Int(length)), as: UTF8.self)
  }

  private func outcome(_ status: Int32) -> Outcome {
    switch SSL_get_error(raw, status) {
    case SSL_ERROR_WANT_READ, SSL_ERROR_WANT_WRITE: return .wait
    case SSL_ERROR_ZERO_RETURN: return .ended
    case SSL_ERROR_SYSCALL where ERR_peek_error() == 0:
      return errno == 0 ? .ended : .failed(.system("the connection broke"))
    default:
      failureReason = ctls_reason(ERR_peek_error())
      let verdict = SSL_get_verify_result(raw)
      guard isOpen || verdict == X509_V_OK else {
        ERR_clear_error()
        let words = String(cString: X509_verify_cert_error_string(verdict))
        return .failed(NetworkFailure("the other side's certificate is refused: \(words)"))
      }
      return .failed(TLSContext.failure("TLS"))
    }
  }
}
