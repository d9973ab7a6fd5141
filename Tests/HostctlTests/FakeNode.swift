import Glibc
import HostCore
import NodeValues
import Synchronization

/// A control server on a Unix socket, one connection at a time, that gives prepared answers.
final class FakeNode: Sendable {
  enum Answer {
    case json(JSON, status: Int = 200)
    case text(String)
    /// Chunks; then the connection stays open until the client goes.
    case endless([String])
    case raw(String)
  }

  typealias Handler = @Sendable (ControlRequest) throws -> Answer

  let socket: String
  private let listener: Int32
  private let handler: Handler
  private let seen = Mutex<[ControlRequest]>([])
  private let thread = Mutex<pthread_t?>(nil)

  var requests: [ControlRequest] { seen.withLock { $0 } }

  init(_ socket: String, _ handler: @escaping Handler) {
    self.socket = socket
    self.handler = handler
    listener = Glibc.socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: Array(socket.utf8)) }
    let bound = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    precondition(bound == 0 && listen(listener, 8) == 0, "cannot listen at \(socket)")
    var started = pthread_t()
    let me = Unmanaged.passRetained(self).toOpaque()
    pthread_create(
      &started, nil,
      { pointer in
        let node = Unmanaged<FakeNode>.fromOpaque(pointer!).takeRetainedValue()
        node.serve()
        return nil
      }, me)
    thread.withLock { $0 = started }
  }

  /// Ends the server and waits for its thread.
  func stop() {
    shutdown(listener, Int32(SHUT_RDWR))
    if let thread = thread.withLock({ $0 }) { pthread_join(thread, nil) }
    close(listener)
    unlink(socket)
  }

  private func serve() {
    while true {
      let connection = accept(listener, nil, nil)
      if connection < 0 { return }
      answer(connection)
      hangUp(connection)
    }
  }

  /// Also for those who hold the socket without knowing: programs that were started meanwhile.
  private func hangUp(_ connection: Int32) {
    shutdown(connection, Int32(SHUT_RDWR))
    close(connection)
  }

  private func answer(_ connection: Int32) {
    var parser = HTTPRequestParser()
    var buffer = [UInt8](repeating: 0, count: 65536)
    while true {
      switch parser.next() {
      case .needMore:
        let count = read(connection, &buffer, buffer.count)
        if count <= 0 { return }
        parser.feed(buffer[..<count])
      case .refuse(let status, let reason): return send(ControlFailure.response(toRefused: status, reason), connection)
      case .request(let head, let body):
        do {
          let request = try ControlRequest(head, body: body)
          seen.withLock { $0.append(request) }
          reply(try handler(request), connection)
        } catch {
          let failure = error as? ControlFailure ?? ControlFailure(.internal, "\(error)")
          send(failure.response(keepAlive: false), connection)
        }
        return
      }
    }
  }

  private func reply(_ answer: Answer, _ connection: Int32) {
    switch answer {
    case .json(let json, let status): send(ControlAPI.response(json, status: status, keepAlive: false), connection)
    case .text(let text):
      send(
        HTTPWriter.response(status: 200, type: "text/plain", body: .bytes(Array(text.utf8)), keepAlive: false),
        connection)
    case .raw(let text): send(Array(text.utf8), connection)
    case .endless(let chunks):
      send(HTTPWriter.response(status: 200, body: .chunked, keepAlive: false), connection)
      for chunk in chunks { send(HTTPWriter.chunk(Array(chunk.utf8)), connection) }
      var byte: UInt8 = 0
      _ = read(connection, &byte, 1)
    }
  }

  private func send(_ bytes: [UInt8], _ connection: Int32) {
    var start = 0
    while start < bytes.count {
      let count = bytes[start...].withUnsafeBytes {
        Glibc.send(connection, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
      }
      if count <= 0 { return }
      start += count
    }
  }
}
