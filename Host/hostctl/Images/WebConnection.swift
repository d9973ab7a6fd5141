import Glibc
import HostCore

/// One HTTP request to a server over TCP, and its answer.
struct WebConnection: ~Copyable {
  /// A part of a file, as the body of a request.
  struct FilePart {
    var descriptor: Int32
    var offset: UInt64
    var length: UInt64
  }

  private static let pieceBytes = 256 << 10
  private static let answerLimit = 16 << 20

  private let server: ImageServers.Server
  private let socket: Int32
  private let patience: Int

  /// `patience` is how many seconds the server may be silent.
  init(_ server: ImageServers.Server, patience: Int) throws(CommandFailure) {
    (self.server, self.patience) = (server, patience)
    socket = try TCPSocket.connected(server.host, server.port, patience: patience, as: server.text)
  }

  deinit { close(socket) }

  /// The whole answer. One that comes before all of the body has gone ends the sending: it says why.
  /// `progress` is told how much of the body has gone.
  func ask(
    _ method: String, _ target: String, _ headers: [(String, String)] = [], body: FilePart? = nil,
    progress: (UInt64) -> Void = { _ in }
  ) throws(CommandFailure) -> (HTTPResponseParser.Head, [UInt8]) {
    var answer: [UInt8] = []
    let head = try stream(method, target, headers, body: body, progress: progress) { piece throws(CommandFailure) in
      guard answer.count + piece.count <= Self.answerLimit else {
        throw CommandFailure(server.text, "the answer is too large")
      }
      answer += piece
    }
    return (head, answer)
  }

  /// The same, with the pieces of the answer's body as they come.
  func stream(
    _ method: String, _ target: String, _ headers: [(String, String)] = [], body: FilePart? = nil,
    progress: (UInt64) -> Void = { _ in }, _ take: ([UInt8]) throws(CommandFailure) -> Void
  ) throws(CommandFailure) -> HTTPResponseParser.Head {
    var parser = HTTPResponseParser(toHead: method == "HEAD")
    var text = "\(method) \(target) HTTP/1.1\r\nHost: \(server.text)\r\nConnection: close\r\n"
    for (name, value) in headers { text += "\(name): \(value)\r\n" }
    if let body { text += "Content-Length: \(body.length)\r\n" }
    try send(Array((text + "\r\n").utf8)[...])
    if let body { try send(body, &parser, progress) }
    var head: HTTPResponseParser.Head?
    while true {
      switch parser.next() {
      case .head(let seen): head = seen
      case .body(let piece): try take(piece)
      case .end:
        guard let head else { throw CommandFailure(server.text, "there is no answer") }
        return head
      case .failed(let reason): throw CommandFailure(server.text, reason)
      case .needMore: try receive(into: &parser, waits: true)
      }
    }
  }

  private func send(
    _ part: FilePart, _ parser: inout HTTPResponseParser, _ progress: (UInt64) -> Void
  ) throws(CommandFailure) {
    var piece = [UInt8](repeating: 0, count: Self.pieceBytes), gone: UInt64 = 0
    while gone < part.length {
      let wanted = Int(min(UInt64(piece.count), part.length - gone))
      let count = pread(part.descriptor, &piece, wanted, off_t(part.offset + gone))
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw CommandFailure("the file became shorter while it was sent") }
      guard try send(piece[..<count], stopsForAnswer: true) else { return try receive(into: &parser, waits: false) }
      gone += UInt64(count)
      progress(gone)
    }
  }

  /// False if the server has begun to answer, or has hung up, before all was taken.
  @discardableResult
  private func send(_ bytes: ArraySlice<UInt8>, stopsForAnswer: Bool = false) throws(CommandFailure) -> Bool {
    var rest = bytes
    while !rest.isEmpty {
      if stopsForAnswer, try wait(for: POLLIN | POLLOUT) & POLLIN != 0 { return false }
      let count = rest.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
      if count >= 0 {
        rest = rest.dropFirst(count)
      } else if errno == EAGAIN {
        _ = try wait(for: POLLOUT)
      } else if errno == EPIPE || errno == ECONNRESET {
        return false
      } else if errno != EINTR {
        throw CommandFailure(server.text, System.message(errno))
      }
    }
    return true
  }

  private func receive(into parser: inout HTTPResponseParser, waits: Bool) throws(CommandFailure) {
    var piece = [UInt8](repeating: 0, count: 64 << 10)
    while true {
      let count = recv(socket, &piece, piece.count, 0)
      if count > 0 { return parser.feed(piece[..<count]) }
      if count == 0 || errno == ECONNRESET { return parser.finish() }
      if errno == EAGAIN {
        guard waits else { return }
        _ = try wait(for: POLLIN)
      } else if errno != EINTR {
        throw CommandFailure(server.text, System.message(errno))
      }
    }
  }

  private func wait(for events: Int32) throws(CommandFailure) -> Int32 {
    var descriptor = pollfd(fd: socket, events: Int16(events), revents: 0)
    while true {
      let ready = poll(&descriptor, 1, Int32(clamping: patience * 1000))
      if ready > 0 { return Int32(descriptor.revents) }
      if ready < 0, errno == EINTR { continue }
      throw CommandFailure(server.text, "it has not answered for \(patience) s")
    }
  }
}
