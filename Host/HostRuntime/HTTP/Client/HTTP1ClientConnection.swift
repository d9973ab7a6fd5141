import CNodeABI
import HostCore

/// A connection to another server that speaks HTTP/1.1: one request at a time, kept for the next.
final class HTTP1ClientConnection: StreamOwner, ClientConnection {
  private enum State {
    case idle
    /// The answer's head is awaited.
    case head
    case body
    /// Nothing is sent or read any more.
    case ended
  }

  private let stream: Stream
  private unowned(unsafe) let origin: ClientOrigin
  var isListed = false
  private var state = State.idle
  private var exchange: ClientExchange?
  private var reader: HTTP1HeadReader
  private var body = BodyReader(.none)
  private let trailers = MessageHead(capacity: 0)
  private var requestIsWhole = false
  /// It has served a request before, so the other side may have ended it before it saw the present one.
  private var isKept = false
  /// Bytes of the present answer have come.
  private var hasAnswer = false
  private var idleSince: Int64

  init(_ stream: Stream, of origin: ClientOrigin) {
    self.stream = stream
    self.origin = origin
    reader = HTTP1HeadReader(.response, limits: origin.limits.head)
    idleSince = origin.loop.turnBegan
  }

  var isIdle: Bool { exchange == nil }
  var room: Int { state == .idle && stream.isOpen ? 1 : 0 }

  // MARK: Out

  func begin(_ exchange: ClientExchange) {
    self.exchange = exchange
    state = .head
    requestIsWhole = false
    hasAnswer = false
    _ = stream.takeSentCount()
    HTTP1RequestWriter.head(exchange.request, to: stream)
    exchange.began(self)
  }

  func canSend(_ exchange: ClientExchange) -> Bool { !stream.isFull }

  func send(_ exchange: ClientExchange, _ bytes: UnsafeRawBufferPointer) {
    if exchange.request.framing == .chunked {
      HTTP1ResponseWriter.chunk(bytes, to: stream)
    } else {
      stream.write(bytes)
    }
  }

  func sendEnd(_ exchange: ClientExchange, _ trailers: MessageHead?) {
    requestIsWhole = true
    guard exchange.request.framing == .chunked else { return }
    if let trailers {
      trailers.withPairs { HTTP1ResponseWriter.lastChunk($0, to: stream) }
    } else {
      stream.write("0\r\n\r\n")
    }
  }

  /// Whatever is under way cannot be told from what would follow, so the connection ends with it.
  func cancel(_ exchange: ClientExchange) {
    guard self.exchange === exchange else { return }
    self.exchange = nil
    close()
  }

  func granted(_ exchange: ClientExchange) { stream.reoffer() }

  // MARK: In

  func streamReceived(_ bytes: UnsafeMutableRawBufferPointer) -> Int {
    var used = 0
    do throws(HTTPRefusal) {
      while used < bytes.count, stream.isOpen {
        guard let count = try advance(UnsafeMutableRawBufferPointer(rebasing: bytes[used...])) else { break }
        used += count
      }
    } catch {
      lost("the answer is not understood: \(error.reason)")
      return bytes.count
    }
    return used
  }

  /// How many bytes were used, or nil if more are needed or none are wanted now.
  private func advance(_ bytes: UnsafeMutableRawBufferPointer) throws(HTTPRefusal) -> Int? {
    switch state {
    case .head: return try readHead(bytes)
    case .body: return try readBody(bytes)
    case .idle, .ended:
      // Nobody has asked for anything.
      close()
      return bytes.count
    }
  }

  private func readHead(_ bytes: UnsafeMutableRawBufferPointer) throws(HTTPRefusal) -> Int? {
    guard let exchange else { return nil }
    hasAnswer = true
    let read = try uncounted(exchange.answer) { answer throws(HTTPRefusal) in try reader.read(bytes, into: answer) }
    guard let read else { return nil }
    guard exchange.answer.status >= 200 else {
      guard exchange.answer.status != 101 else { throw HTTPRefusal(502, "it changes to another protocol, unasked") }
      exchange.answer.reset()
      return read
    }
    let framing = exchange.frameAnswer()
    state = .body
    if framing != .none { body = BodyReader(framing, limits: origin.limits.head) }
    exchange.headCame()
    if framing == .none, self.exchange === exchange { answerEnded(exchange) }
    return read
  }

  private func readBody(_ bytes: UnsafeMutableRawBufferPointer) throws(HTTPRefusal) -> Int? {
    guard let exchange, exchange.credit > 0 else { return nil }
    switch try body.next(bytes, upTo: exchange.credit, trailers: trailers) {
    case .needMore(let used): return used == 0 ? nil : used
    case .piece(let skipped, let count):
      exchange.bodyCame(UnsafeRawBufferPointer(rebasing: bytes[skipped..<(skipped + count)]))
      if body.hasEnded, self.exchange === exchange { answerEnded(exchange) }
      return skipped + count
    case .end(let used):
      answerEnded(exchange)
      return used
    }
  }

  /// The connection is free for others before the one who asked hears of the end, and may ask again.
  private func answerEnded(_ exchange: ClientExchange) {
    self.exchange = nil
    isKept = true
    idleSince = origin.loop.turnBegan
    if requestIsWhole, exchange.answer.keepsAlive, stream.isOpen {
      state = .idle
      origin.hasRoom(self)
      exchange.answerEnded(trailers)
    } else {
      state = .ended
      exchange.answerEnded(trailers)
      close()
    }
    if trailers.used > 0 { trailers.reset() }
  }

  // MARK: The end

  var wantsInput: Bool { exchange.map { $0.credit > 0 } ?? true }

  func streamOpened() {}
  func streamDrained() { exchange?.drained() }

  func streamFinished() {
    if state == .body, body.endsWithConnection, let exchange { return answerEnded(exchange) }
    lost("it hung up \(hasAnswer ? "in the middle of its answer" : "without an answer")")
  }

  func streamClosed(_ failure: NetworkFailure?) {
    origin.forget(self)
    lost(failure?.words ?? "the connection was closed")
  }

  func streamVanished() { exchange?.handler = nil }

  func close() {
    state = .ended
    stream.close()
  }

  /// What was under way has no end any more.
  private func lost(_ words: String) {
    state = .ended
    let exchange = exchange.take()
    // A request that may safely come twice counts as one without effect if the other side probably never saw it.
    let unseen = stream.takeSentCount() == 0
    let hadNoEffect = !hasAnswer && (unseen || (isKept && exchange?.request.isIdempotent == true))
    stream.close()
    exchange?.broke(NH_UNAVAILABLE, "\(origin.address.words): \(words)", hadNoEffect: hadNoEffect)
  }

  func tick(_ now: Int64) {
    guard state == .idle else { return }
    stream.trim()
    if now - idleSince > origin.limits.idle { close() }
  }
}
