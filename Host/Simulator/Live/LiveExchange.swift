import Glibc
import HostCore

/// One request by HTTP/1.1 to a live process, on a connection of its own, and the answer.
final class LiveExchange {
  enum Answer {
    case whole(status: Int, body: [UInt8])
    /// It may have been done, or not.
    case broken(String)
  }

  enum Place {
    case control(path: String)
    case listener(host: String, port: UInt16)
  }

  private static let bodyLimit = 16 << 20

  private let loop: LiveLoop
  private let socket: Int32
  private let bytes: [UInt8]
  private var sent = 0
  private var parser = HTTPResponseParser()
  private var status = 0
  private var body: [UInt8] = []
  private var done: ((Answer) -> Void)?

  /// It holds itself until it is over.
  init(_ place: Place, _ bytes: [UInt8], on loop: LiveLoop, _ done: @escaping (Answer) -> Void) {
    (self.loop, self.bytes, self.done) = (loop, bytes, done)
    socket = Self.connected(to: place)
    guard socket >= 0 else {
      let words = "nobody is there: \(String(cString: strerror(errno)))"
      // Whoever asks has not been given this object yet.
      loop.after(0) { self.over(.broken(words)) }
      return
    }
    loop.watch(socket, POLLOUT) { self.send() }
  }

  private static func connected(to place: Place) -> Int32 {
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    switch place {
    case .control(let path):
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8.prefix($0.count - 1)) }
      return connected(Glibc.socket(AF_UNIX, type, 0), &address)
    case .listener(let host, let port):
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_port = port.bigEndian
      inet_pton(AF_INET, host, &address.sin_addr)
      return connected(Glibc.socket(AF_INET, type, 0), &address)
    }
  }

  private static func connected<Address>(_ socket: Int32, _ address: inout Address) -> Int32 {
    guard socket >= 0 else { return -1 }
    let status = withUnsafeBytes(of: &address) {
      connect(socket, $0.assumingMemoryBound(to: sockaddr.self).baseAddress!, socklen_t($0.count))
    }
    if status == 0 || errno == EINPROGRESS { return socket }
    let reason = errno
    close(socket)
    errno = reason
    return -1
  }

  func giveUp() { over(.broken("no answer came in time")) }

  private func send() {
    while sent < bytes.count {
      let count = bytes[sent...].withUnsafeBytes {
        Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      if count < 0, errno == EAGAIN { return }
      // It may have answered before it hung up: the answer tells more.
      if count < 0 { break }
      sent += count
    }
    loop.watch(socket, POLLIN) { self.receive() }
  }

  private func receive() {
    while done != nil {
      var count = 0
      let piece = [UInt8](unsafeUninitializedCapacity: 64 << 10) { room, used in
        count = recv(socket, room.baseAddress, room.count, 0)
        used = max(0, count)
      }
      if count < 0, errno == EAGAIN { return }
      if count < 0 { return over(.broken("the connection broke")) }
      if count == 0 { parser.finish() } else { parser.feed(piece) }
      understand()
      if count == 0, done != nil { return over(.broken("the connection ended")) }
    }
  }

  private func understand() {
    while done != nil {
      switch parser.next() {
      case .needMore: return
      case .head(let head): status = head.status
      case .body(let piece):
        body += piece
        if body.count > Self.bodyLimit { over(.broken("the answer is too long")) }
      case .end: over(.whole(status: status, body: body))
      case .failed(let words): over(.broken(words))
      }
    }
  }

  private func over(_ answer: Answer) {
    guard let done else { return }
    self.done = nil
    if socket >= 0 {
      loop.unwatch(socket)
      close(socket)
    }
    done(answer)
  }
}
