import CCrypto
import Glibc
import HostCore

/// A connection with TLS to a node that is controlled over TCP.
final class RemoteChannel: ControlChannel {
  /// Seconds until another machine has answered at all.
  private static let patience = 10

  let socket: Int32
  let place: String
  private let context: OpaquePointer
  private let session: OpaquePointer

  init(connecting node: RemoteNode) throws(CommandFailure) {
    place = "\(node.address)"
    context = try Self.context(node)
    do throws(CommandFailure) {
      socket = try TCPSocket.connected(
        node.address.host, node.address.port, patience: Self.patience, as: "cannot connect to \(node.address)")
    } catch {
      SSL_CTX_free(context)
      throw error
    }
    session = SSL_new(context)!
    SSL_set_fd(session, socket)
    let parameters = SSL_get0_param(session)
    if X509_VERIFY_PARAM_set1_ip_asc(parameters, node.address.host) != 1 {
      _ = ctls_server_name(session, node.address.host)
      SSL_set1_host(session, node.address.host)
    }
    try shakeHands()
  }

  deinit {
    SSL_free(session)
    SSL_CTX_free(context)
    close(socket)
  }

  // MARK: Who is who

  private static func context(_ node: RemoteNode) throws(CommandFailure) -> OpaquePointer {
    ERR_clear_error()
    guard let context = SSL_CTX_new(TLS_client_method()) else { throw CommandFailure("no TLS", reason) }
    _ = ctls_least_version(context, TLS1_2_VERSION)
    _ = ctls_mode(context, Int(SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER))
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
    do throws(CommandFailure) {
      if let authority = node.authority {
        guard SSL_CTX_load_verify_file(context, authority) == 1 else {
          throw CommandFailure("--authority: cannot use \(authority)", reason)
        }
      } else {
        SSL_CTX_set_default_verify_paths(context)
      }
      if let identity = node.identity {
        guard SSL_CTX_use_certificate_chain_file(context, identity) == 1,
          SSL_CTX_use_PrivateKey_file(context, identity, SSL_FILETYPE_PEM) == 1
        else { throw CommandFailure("--identity: \(identity) does not have a certificate and its key", reason) }
      }
    } catch {
      SSL_CTX_free(context)
      throw error
    }
    return context
  }

  private func shakeHands() throws(CommandFailure) {
    while true {
      ERR_clear_error()
      let status = SSL_connect(session)
      if status == 1 { return }
      switch try step(status) {
      case .wait(let events):
        guard ControlConnection.isReady(socket, for: events, patience: Self.patience) else {
          throw CommandFailure("\(place) does not answer with TLS for \(Self.patience) s", remedy: Self.rightPort)
        }
      default: throw CommandFailure("\(place) hung up during the TLS handshake", remedy: Self.rightPort)
      }
    }
  }

  private static let rightPort = "Is it the port of control.address in the node's manifest?"

  // MARK: Bytes

  func send(_ bytes: UnsafeRawBufferPointer) throws(CommandFailure) -> ChannelStep {
    ERR_clear_error()
    return try step(SSL_write(session, bytes.baseAddress, Int32(clamping: bytes.count)))
  }

  func receive(into room: UnsafeMutableRawBufferPointer) throws(CommandFailure) -> ChannelStep {
    ERR_clear_error()
    return try step(SSL_read(session, room.baseAddress, Int32(clamping: room.count)))
  }

  private func step(_ count: Int32) throws(CommandFailure) -> ChannelStep {
    if count > 0 { return .bytes(Int(count)) }
    switch SSL_get_error(session, count) {
    case SSL_ERROR_WANT_READ: return .wait(for: POLLIN)
    case SSL_ERROR_WANT_WRITE: return .wait(for: POLLOUT)
    case SSL_ERROR_ZERO_RETURN: return .ended
    case SSL_ERROR_SYSCALL where [0, EPIPE, ECONNRESET].contains(errno): return .ended
    case SSL_ERROR_SYSCALL: throw CommandFailure("talking to \(place)", System.message(errno))
    // A node that ends says no farewell; whether the answer was whole is told by its length or its chunks.
    case SSL_ERROR_SSL where ctls_reason(ERR_peek_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING: return .ended
    default: throw failure()
    }
  }

  private func failure() -> CommandFailure {
    let verdict = SSL_get_verify_result(session)
    guard verdict == X509_V_OK else {
      let words = String(cString: X509_verify_cert_error_string(verdict))
      return CommandFailure(
        "the certificate of \(place) is refused", words,
        remedy: "--authority FILE names whose certificates are believed; it may be the node's own, and is for the "
          + "name or address that --at says.")
    }
    let words = Self.reason
    let wantsOurs = words.contains("certificate required") || words.contains("handshake failure")
    return CommandFailure(
      "talking to \(place)", words,
      remedy: wantsOurs
        ? "It wants a certificate of whoever asks: --identity FILE, with the certificate and its key."
        : Self.rightPort)
  }

  private static var reason: String {
    let code = ERR_get_error()
    ERR_clear_error()
    guard code != 0, let words = ERR_reason_error_string(code) else { return "OpenSSL does not say why" }
    return String(cString: words)
  }
}
