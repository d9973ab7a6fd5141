import CSystem
import Glibc
import HostCore
import NodeValues

/// One client of the control server: requests in, one at a time, and replies out in their order. The
/// control loop's.
final class ControlConnection: DescriptorWatcher, TimerTarget, @unchecked Sendable {
  /// What a client may leave unread before it is cut off when more comes. One answer may be longer.
  private static let outputLimit = 8 << 20
  private static let readSize = 64 << 10

  private let descriptor: Int32
  private unowned let server: ControlServer
  private var parser = HTTPRequestParser()
  private var output: [UInt8] = []
  private var isAnswering = false
  private var closesAfterOutput = false
  private var isClosed = false
  private var idleTimer: UInt64?
  private var following: (query: LogQuery, last: UInt64)?

  init(_ descriptor: Int32, _ server: ControlServer) {
    self.descriptor = descriptor
    self.server = server
  }

  func start() {
    server.loop.watch(descriptor, csystem_readable, self)
    restartIdleTimer()
  }

  func close() {
    guard !isClosed else { return }
    isClosed = true
    if let idleTimer { server.loop.cancelTimer(idleTimer) }
    server.loop.unwatch(descriptor)
    Glibc.close(descriptor)
    server.forget(descriptor)
  }

  private func restartIdleTimer() {
    if let idleTimer { server.loop.cancelTimer(idleTimer) }
    idleTimer = server.loop.setTimer(after: ControlServer.idleLimitMilliseconds * 1_000_000, self)
  }

  func timerFired(_ timer: UInt64, token: UInt64) {
    idleTimer = nil
    // A call may take its time, and a follower waits for news.
    if isAnswering || following != nil { restartIdleTimer() } else { close() }
  }

  func descriptorReady(_ events: UInt32) {
    if events & csystem_writable != 0 { flush() }
    guard !isClosed, events & ~csystem_writable != 0 else { return }
    var chunk = [UInt8](repeating: 0, count: Self.readSize)
    let count = read(descriptor, &chunk, chunk.count)
    if count < 0, errno == EAGAIN || errno == EINTR { return }
    guard count > 0 else { return close() }
    parser.feed(chunk[..<count])
    restartIdleTimer()
    advance()
  }

  private func advance() {
    guard !isAnswering, !closesAfterOutput, following == nil, !isClosed else { return }
    switch parser.next() {
    case .needMore:
      if parser.takeContinue() { send(HTTPWriter.continueResponse) }
    case .refuse(let status, let reason):
      closesAfterOutput = true
      send(ControlFailure.response(toRefused: status, reason))
    case .request(let head, let body):
      isAnswering = true
      handle(head, body) { [self] reply in
        guard !isClosed else { return }
        isAnswering = false
        answer(head, reply)
        advance()
      }
    }
  }

  private func handle(_ head: HTTPRequestHead, _ body: [UInt8], _ reply: @escaping ControlServer.Reply) {
    do {
      server.handler(try ControlRequest(head, body: body), reply)
    } catch {
      reply(.failure(error))
    }
  }

  private func answer(_ head: HTTPRequestHead, _ reply: ControlReply) {
    let headOnly = head.method == "HEAD"
    switch reply {
    case .json(let value, let status):
      send(ControlAPI.response(value, status: status, keepAlive: head.keepAlive, headOnly: headOnly))
    case .failure(let failure): send(failure.response(keepAlive: head.keepAlive, headOnly: headOnly))
    case .text(let text):
      send(
        HTTPWriter.response(
          status: 200, type: ControlAPI.metricsType, body: .bytes(Array(text.utf8)), keepAlive: head.keepAlive,
          headOnly: headOnly))
    case .bytes(let bytes):
      send(
        HTTPWriter.response(
          status: 200, type: "application/octet-stream", body: .bytes(bytes), keepAlive: head.keepAlive,
          headOnly: headOnly))
    case .logs(let query): sendLogs(query, keepAlive: head.keepAlive)
    }
    // Only now, or the first part of an answer would be taken for all of it.
    guard !isClosed, !head.keepAlive, following == nil else { return }
    closesAfterOutput = true
    flush()
  }

  private func sendLogs(_ query: LogQuery, keepAlive: Bool) {
    let all = server.log.lines(after: 0, limit: .max)
    send(HTTPWriter.response(status: 200, type: ControlAPI.logType, body: .chunked, keepAlive: keepAlive))
    send(HTTPWriter.chunk(all.filter { $0.answers(query) }.suffix(query.lines).flatMap(\.record.line)))
    if query.follow {
      following = (query, all.last?.number ?? 0)
    } else {
      send(HTTPWriter.lastChunk)
    }
  }

  func sendNewLines() {
    guard let (query, last) = following else { return }
    let lines = server.log.lines(after: last, limit: .max)
    following?.last = lines.last?.number ?? last
    send(HTTPWriter.chunk(lines.filter { $0.answers(query) }.flatMap(\.record.line)))
  }

  private func send(_ bytes: [UInt8]) {
    guard !isClosed else { return }
    guard output.count <= Self.outputLimit else { return close() }
    output += bytes
    flush()
  }

  private func flush() {
    while !output.isEmpty {
      let count = Glibc.send(descriptor, output, output.count, Int32(MSG_NOSIGNAL))
      if count < 0, errno == EINTR { continue }
      if count < 0, errno == EAGAIN { break }
      guard count >= 0 else { return close() }
      output.removeFirst(count)
    }
    if output.isEmpty, closesAfterOutput { return close() }
    let interest = output.isEmpty ? csystem_readable : csystem_readable | csystem_writable
    server.loop.watch(descriptor, interest, self)
  }
}
