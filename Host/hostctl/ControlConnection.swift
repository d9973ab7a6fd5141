import Glibc
import HostCore
import NodeValues

/// A connection to one node's control socket.
struct ControlConnection: ~Copyable {
  /// How long a node may be silent before it counts as stuck.
  static let usualPatienceSeconds = 30
  /// Loading waits for constructors, unloading for drains.
  static let longPatienceSeconds = 300

  private let socket: Int32
  private let path: String

  /// Fails with an errno.
  init(connecting path: String) throws(SocketFailure) {
    self.path = path
    socket = try Self.connected(path)
  }

  deinit { close(socket) }

  struct SocketFailure: Error {
    var code: Int32
  }

  /// Whether somebody listens. A full queue is somebody, too.
  static func isAlive(_ path: String) -> Bool {
    do throws(SocketFailure) {
      close(try connected(path))
      return true
    } catch { return error.code == EAGAIN }
  }

  private static func connected(_ path: String) throws(SocketFailure) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let letters = Array(path.utf8)
    guard letters.count < MemoryLayout.size(ofValue: address.sun_path) else { throw SocketFailure(code: ENAMETOOLONG) }
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: letters) }
    // Without waiting: a Unix socket connects at once or not at all.
    let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
    let socket = Glibc.socket(AF_UNIX, type, 0)
    guard socket >= 0 else { throw SocketFailure(code: errno) }
    let status = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        connect(socket, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    guard status == 0 else {
      let code = errno
      close(socket)
      throw SocketFailure(code: code)
    }
    return socket
  }

  /// Asks, and waits for the whole JSON answer. An error of the node is thrown; 503 with a body that is
  /// no error, as health has it, is an answer.
  func ask(_ request: ControlRequest, patience: Int = usualPatienceSeconds) throws(CommandFailure) -> JSON {
    var body: [UInt8] = []
    try stream(request, patience: patience) { piece throws(CommandFailure) in
      guard body.count + piece.count <= HTTPLimits.responseBody else { throw CommandFailure("the answer is too large") }
      body += piece
    }
    return try Self.json(body)
  }

  private static func json(_ body: [UInt8]) throws(CommandFailure) -> JSON {
    do { return try JSON(parsing: body) } catch {
      throw CommandFailure("the node's answer is not JSON", error.description)
    }
  }

  /// Asks, and hands on the pieces of the answer's body as they come. Nil patience waits for ever.
  func stream(
    _ request: ControlRequest, patience: Int?, _ take: ([UInt8]) throws(CommandFailure) -> Void
  ) throws(CommandFailure) {
    try send(request, patience)
    var parser = HTTPResponseParser()
    var failed: Int?
    var error: [UInt8] = []
    while true {
      switch parser.next() {
      case .head(let head): failed = head.status >= 400 ? head.status : nil
      case .body(let piece):
        guard failed != nil else {
          try take(piece)
          continue
        }
        error += piece
        guard error.count <= HTTPLimits.responseBody else { throw CommandFailure("the answer is too large") }
      case .end:
        guard let failed else { return }
        if let failure = (try? JSON(parsing: error)).flatMap(ControlFailure.init(json:)) {
          throw CommandFailure(failure)
        }
        guard failed == 503, !error.isEmpty else {
          throw CommandFailure("the node answered with HTTP status \(failed)")
        }
        return try take(error)
      case .failed(let reason): throw CommandFailure("talking to \(path)", reason)
      case .needMore:
        let piece = try receive(patience)
        if piece.isEmpty { parser.finish() } else { parser.feed(piece) }
      }
    }
  }

  private func send(_ request: ControlRequest, _ patience: Int?) throws(CommandFailure) {
    let body = request.body.map(ControlAPI.body)
    let bytes = HTTPWriter.request(
      method: request.method, target: request.target, headers: ["Connection": "close"], body: body)
    var start = 0
    while start < bytes.count {
      let count = bytes[start...].withUnsafeBytes {
        Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      if count >= 0 {
        start += count
      } else if errno == EAGAIN {
        try wait(for: POLLOUT, patience)
      } else if errno == EPIPE || errno == ECONNRESET {
        // The node may have answered before it hung up: the answer tells more.
        return
      } else if errno != EINTR {
        throw CommandFailure("talking to \(path)", System.message(errno))
      }
    }
  }

  /// Empty when the node has closed the connection.
  private func receive(_ patience: Int?) throws(CommandFailure) -> [UInt8] {
    while true {
      var failure: Int32 = 0
      let piece = [UInt8](unsafeUninitializedCapacity: 64 * 1024) { buffer, count in
        let received = recv(socket, buffer.baseAddress, buffer.count, 0)
        if received < 0 { failure = errno }
        count = max(0, received)
      }
      switch failure {
      case 0: return piece
      case EAGAIN: try wait(for: POLLIN, patience)
      case EINTR: continue
      case ECONNRESET: return []
      default: throw CommandFailure("talking to \(path)", System.message(failure))
      }
    }
  }

  private func wait(for events: Int32, _ patience: Int?) throws(CommandFailure) {
    var descriptor = pollfd(fd: socket, events: Int16(events), revents: 0)
    let ready = poll(&descriptor, 1, patience.map { Int32(clamping: $0 * 1000) } ?? -1)
    guard ready != 0 else {
      throw CommandFailure(
        "the node at \(path) has not answered for \(patience ?? 0) s",
        remedy: "It may be stuck or overloaded; look at what it wrote to its own log.")
    }
  }
}
