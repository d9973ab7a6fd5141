import Glibc
import Synchronization

/// A server of HTTP/1.1 for tests, which knows what it was asked and answers as it is told; a thread for each
/// connection.
final class Upstream: Sendable {
  struct Request: Sendable {
    var line: String
    /// Names in lower case.
    var fields: [String: String]
    var body: [UInt8]

    var method: String { String(line.prefix { $0 != " " }) }
    var target: String { String(line.split(separator: " ")[1]) }
  }

  enum Answer: Sendable {
    case text(Int, String)
    /// Just these bytes, then the end of the connection.
    case raw(String)
    /// Closes without a word.
    case nothing
    /// After so long.
    case late(milliseconds: UInt32, String)
  }

  let port: UInt16
  private let listener: Int32
  private let answer: @Sendable (Request, Int) -> Answer
  private let seen = Mutex<(requests: [Request], connections: Int)>(([], 0))

  /// `answer` also gets the number of the request, from 1.
  init(_ answer: @escaping @Sendable (Request, Int) -> Answer) {
    self.answer = answer
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let listener = listener
    withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        precondition(bind(listener, $0, length) == 0 && listen(listener, 64) == 0)
        getsockname(listener, $0, &length)
      }
    }
    port = UInt16(bigEndian: address.sin_port)
    Self.onThread { [self] in acceptAll() }
  }

  /// Always the same.
  convenience init(_ text: String) { self.init { _, _ in .text(200, text) } }

  var url: String { "http://127.0.0.1:\(port)" }
  var requests: [Request] { seen.withLock { $0.requests } }
  var connections: Int { seen.withLock { $0.connections } }

  /// No further connections; those that are open go on.
  func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

  static func onThread(_ body: @escaping @Sendable () -> Void) {
    final class Box {
      let body: @Sendable () -> Void
      init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    pthread_create(
      &thread, nil,
      {
        Unmanaged<Box>.fromOpaque($0!).takeRetainedValue().body()
        return nil
      }, Unmanaged.passRetained(Box(body)).toOpaque())
    pthread_detach(thread)
  }

  private func acceptAll() {
    while true {
      let connection = accept(listener, nil, nil)
      guard connection >= 0 else { break }
      seen.withLock { $0.connections += 1 }
      Self.onThread { [self] in serve(connection) }
    }
    close(listener)
  }

  private func serve(_ connection: Int32) {
    defer {
      // Also for those who hold the socket without knowing: programs that were started meanwhile.
      shutdown(connection, Int32(SHUT_RDWR))
      close(connection)
    }
    var bytes: [UInt8] = []
    while let request = Self.read(connection, &bytes) {
      let number = seen.withLock { seen in
        seen.requests.append(request)
        return seen.requests.count
      }
      let isHead = request.method == "HEAD"
      switch answer(request, number) {
      case .text(let status, let text): Self.send(connection, status, text, isHead)
      case .late(let milliseconds, let text):
        usleep(milliseconds * 1_000)
        Self.send(connection, 200, text, isHead)
      case .raw(let text):
        Self.write(connection, text)
        return
      case .nothing: return
      }
    }
  }

  private static func send(_ connection: Int32, _ status: Int, _ text: String, _ isHead: Bool) {
    let head = "HTTP/1.1 \(status) X\r\nContent-Length: \(text.utf8.count)\r\nX-Upstream: yes\r\n\r\n"
    write(connection, head + (isHead ? "" : text))
  }

  private static func write(_ connection: Int32, _ text: String) {
    let bytes = Array(text.utf8)
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        Glibc.send(connection, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return }
      sent += count
    }
  }

  /// Nil when the other side hangs up.
  private static func read(_ connection: Int32, _ bytes: inout [UInt8]) -> Request? {
    func more() -> Bool {
      var chunk = [UInt8](repeating: 0, count: 65_536)
      let count = recv(connection, &chunk, chunk.count, 0)
      guard count > 0 else { return false }
      bytes += chunk[..<count]
      return true
    }
    func takeLine() -> String? {
      while true {
        if let end = bytes.indices.dropLast().first(where: { bytes[$0] == 13 && bytes[$0 + 1] == 10 }) {
          defer { bytes.removeFirst(end + 2) }
          return String(decoding: bytes[..<end], as: UTF8.self)
        }
        guard more() else { return nil }
      }
    }
    func take(_ count: Int) -> [UInt8]? {
      while bytes.count < count { guard more() else { return nil } }
      defer { bytes.removeFirst(count) }
      return Array(bytes[..<count])
    }
    guard let line = takeLine() else { return nil }
    var request = Request(line: line, fields: [:], body: [])
    while let field = takeLine(), !field.isEmpty {
      let parts = field.split(separator: ":", maxSplits: 1)
      request.fields[parts[0].lowercased()] = parts.count > 1 ? String(parts[1].drop { $0 == " " }) : ""
    }
    if let length = request.fields["content-length"].flatMap({ Int($0) }) {
      guard let body = take(length) else { return nil }
      request.body = body
    } else if request.fields["transfer-encoding"] == "chunked" {
      while let size = takeLine().flatMap({ Int($0, radix: 16) }), size > 0 {
        guard let piece = take(size), takeLine() != nil else { return nil }
        request.body += piece
      }
      guard takeLine() != nil else { return nil }
    }
    return request
  }
}
