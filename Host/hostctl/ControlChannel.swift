import Glibc

/// What requests and answers go through. It does not wait: who uses it does.
protocol ControlChannel: AnyObject {
  var socket: Int32 { get }
  /// The node's, in errors.
  var place: String { get }
  func send(_ bytes: UnsafeRawBufferPointer) throws(CommandFailure) -> ChannelStep
  func receive(into room: UnsafeMutableRawBufferPointer) throws(CommandFailure) -> ChannelStep
}

enum ChannelStep {
  case bytes(Int)
  /// Until the socket is ready for one of these.
  case wait(for: Int32)
  /// The other side has hung up.
  case ended
}

/// A node's control socket on this machine.
final class LocalChannel: ControlChannel {
  let socket: Int32
  let place: String

  /// Fails with an errno.
  init(connecting path: String) throws(ControlConnection.SocketFailure) {
    place = path
    socket = try Self.connected(path)
  }

  deinit { close(socket) }

  private static func connected(_ path: String) throws(ControlConnection.SocketFailure) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let letters = Array(path.utf8)
    guard letters.count < MemoryLayout.size(ofValue: address.sun_path) else { throw .init(code: ENAMETOOLONG) }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: letters) }
    // Without waiting: a Unix socket connects at once or not at all.
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let socket = Glibc.socket(AF_UNIX, type, 0)
    guard socket >= 0 else { throw .init(code: errno) }
    let status = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard status == 0 else {
      let code = errno
      close(socket)
      throw .init(code: code)
    }
    return socket
  }

  func send(_ bytes: UnsafeRawBufferPointer) throws(CommandFailure) -> ChannelStep {
    try step(Glibc.send(socket, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL)), POLLOUT)
  }

  func receive(into room: UnsafeMutableRawBufferPointer) throws(CommandFailure) -> ChannelStep {
    let step = try step(recv(socket, room.baseAddress, room.count, 0), POLLIN)
    if case .bytes(0) = step { return .ended }
    return step
  }

  private func step(_ count: Int, _ event: Int32) throws(CommandFailure) -> ChannelStep {
    if count >= 0 { return .bytes(count) }
    switch errno {
    case EAGAIN, EINTR: return .wait(for: event)
    case EPIPE, ECONNRESET: return .ended
    default: throw CommandFailure("talking to \(place)", System.message(errno))
    }
  }
}
