import Glibc
import HostCore

/// A socket that does not wait, connected to a server.
enum TCPSocket {
  /// Tries each address that the host has.
  static func connected(_ host: String, _ port: UInt16, patience: Int, as place: String) throws(CommandFailure) -> Int32
  {
    var hints = addrinfo(), found: UnsafeMutablePointer<addrinfo>?
    hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
    let status = getaddrinfo(host, "\(port)", &hints, &found)
    guard status == 0 else { throw CommandFailure(place, String(cString: gai_strerror(status))) }
    defer { freeaddrinfo(found) }
    var reason = "it has no address"
    var next = found
    while let address = next {
      let type = address.pointee.ai_socktype | Int32(SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
      let socket = Glibc.socket(address.pointee.ai_family, type, 0)
      if socket >= 0 {
        let status = connect(socket, address.pointee.ai_addr, address.pointee.ai_addrlen)
        let code = status == 0 ? 0 : errno == EINPROGRESS ? settled(socket, patience) : errno
        if code == 0 {
          keepAlive(socket)
          return socket
        }
        reason = System.message(code)
        close(socket)
      }
      next = address.pointee.ai_next
    }
    throw CommandFailure(place, reason)
  }

  /// Who follows a log hears within two minutes that the other machine is gone.
  private static func keepAlive(_ socket: Int32) {
    for (level, option, value) in [
      (SOL_SOCKET, SO_KEEPALIVE, 1), (Int32(IPPROTO_TCP), TCP_KEEPIDLE, 60), (Int32(IPPROTO_TCP), TCP_KEEPINTVL, 15),
      (Int32(IPPROTO_TCP), TCP_KEEPCNT, 4),
    ] as [(Int32, Int32, Int32)] {
      var value = value
      setsockopt(socket, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
    }
  }

  /// Waits until the connection is there, or for the reason why not.
  private static func settled(_ socket: Int32, _ patience: Int) -> Int32 {
    var descriptor = pollfd(fd: socket, events: Int16(POLLOUT), revents: 0)
    guard poll(&descriptor, 1, Int32(clamping: patience * 1000)) > 0 else { return ETIMEDOUT }
    var code: Int32 = 0, size = socklen_t(MemoryLayout<Int32>.size)
    getsockopt(socket, SOL_SOCKET, SO_ERROR, &code, &size)
    return code
  }
}
