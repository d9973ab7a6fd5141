import CNodeABI
import HostCore

/// A client's connection that speaks HTTP/1.1: one request after the other, answered in their order.
///
/// It moves to the loop of the role that it asks for, and then every request of it is answered without a word between
/// loops. One that asks now for this role and now for that stays where it is.
final class HTTP1Connection: StreamOwner, ServerConnection, @unchecked Sendable {
  /// So many requests in a row for the same other loop, and it moves there; the very first one is enough.
  private static let moveAfter = 16
  /// What is left of a body that nobody wants, and is read all the same to keep the connection.
  static let discardLimit = 64 << 10
  static let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

  private enum State {
    /// Nothing of a request has come.
    case idle
    case head
    /// Its body goes to the handler as far as that asks for it.
    case body
    /// The request is whole, its answer is not.
    case answering
    /// The answer is whole, the request's body is not.
    case discarding(Int)
    /// No further request is read.
    case ending
  }

  let stream: Stream
  // The shard keeps its connections, and each other way round would be counted at every turn.
  private unowned(unsafe) var shard: ListenerShard
  var place = 0
  private let remote: Remote
  private var reader: HTTP1HeadReader
  private var body = BodyReader(.none)
  private var trailers = MessageHead(capacity: 0)
  private var exchange: HTTP1Exchange
  private var state = State.idle
  private var isFirst = true
  private var bodySize = 0
  private var requests = 0
  private var otherHome: EventLoop?
  private var otherRequests = 0
  private var headBegan: Int64 = 0
  private var watch = ProgressWatch()
  /// When the client was found to have closed its side while its answer was not whole.
  private var hungUpAt: Int64?

  init(_ stream: Stream, _ shard: ListenerShard, remote: Remote) {
    self.stream = stream
    self.shard = shard
    self.remote = remote
    reader = HTTP1HeadReader(.request, limits: shard.limits.head)
    exchange = HTTP1Exchange(shard, remote: remote, isSecure: stream.isSecure)
    exchange.connection = .passUnretained(self)
    watch.note(shard.loop.turnBegan)
  }

  private var turnBegan: Int64 { uncounted(shard) { $0.loop.turnBegan } }

  func streamOpened() {
    if stream.chosenProtocol == TLSContext.http2 { becomeHTTP2() }
  }

  private func becomeHTTP2() {
    exchange.connection = nil
    shard.replace(self, with: HTTP2ServerConnection(stream, shard, remote: remote))
  }

  // MARK: In

  func streamReceived(_ bytes: UnsafeMutableRawBufferPointer) -> Int {
    watch.note(bytes.count, turnBegan)
    var used = 0
    if isFirst {
      switch shard.listener.speaksHTTP2 ? Self.isPreface(bytes) : false {
      case .some(true):
        becomeHTTP2()
        return stream.owner?.streamReceived(bytes) ?? bytes.count
      case .none: return 0
      case .some(false): isFirst = false
      }
    }
    do throws(HTTPRefusal) {
      while used < bytes.count, stream.isOpen {
        guard let count = try advance(UnsafeMutableRawBufferPointer(rebasing: bytes[used...])) else { break }
        used += count
      }
    } catch {
      refuse(error)
      return bytes.count
    }
    return used
  }

  /// Nil if it may yet be one.
  private static func isPreface(_ bytes: UnsafeMutableRawBufferPointer) -> Bool? {
    let count = min(bytes.count, preface.utf8CodeUnitCount)
    for place in 0..<count where bytes[place] != preface.utf8Start[place] { return false }
    return count == preface.utf8CodeUnitCount ? true : nil
  }

  /// How many bytes were used, or nil if more are needed or none are wanted now.
  private func advance(_ bytes: UnsafeMutableRawBufferPointer) throws(HTTPRefusal) -> Int? {
    switch state {
    case .idle, .head: return try readHead(bytes)
    case .body: return try readBody(bytes, upTo: exchange.credit)
    case .discarding(let left): return try discard(bytes, left)
    case .answering: return nil
    case .ending: return bytes.count
    }
  }

  private func readHead(_ bytes: UnsafeMutableRawBufferPointer) throws(HTTPRefusal) -> Int? {
    if case .idle = state {
      takeFreshExchange()
      headBegan = turnBegan
      state = .head
    }
    let read = try uncounted(exchange.head) { head throws(HTTPRefusal) in try reader.read(bytes, into: head) }
    guard let read else { return nil }
    bodySize = 0
    watch.note(turnBegan)
    let framing = uncounted(exchange) { exchange in
      let framing = exchange.head.framing
      exchange.requestHasEnded = framing == .none
      return framing
    }
    if framing == .none {
      state = .answering
    } else {
      if case .length(let length) = framing, length > shard.limits.body { throw tooLarge }
      body = BodyReader(framing, limits: shard.limits.head)
      state = .body
    }
    requests += 1
    begin()
    return read
  }

  private func begin() {
    // The next one takes its place only when more is read.
    uncounted(exchange) { exchange in
      exchange.dispatch()
      guard exchange.head.expectsContinue, exchange.answer == .none, stream.isOpen else { return }
      stream.write("HTTP/1.1 100 Continue\r\n\r\n")
    }
  }

  /// The request that was just read is for a role on another loop. False: it goes there alone.
  func follow(to home: EventLoop) -> Bool {
    otherRequests = otherHome === home ? otherRequests + 1 : 1
    otherHome = home
    guard requests == 1 || otherRequests >= Self.moveAfter, stream.mayMove,
      let other = shard.listener.shard(on: home)
    else { return false }
    otherHome = nil
    shard.forget(self)
    stream.move(to: home) { [self] in
      shard = other
      exchange.moved(to: other)
      other.adopt(self)
      begin()
    }
    return true
  }

  /// The last one, unless somebody still has it.
  private func takeFreshExchange() {
    if isKnownUniquelyReferenced(&exchange) {
      uncounted(exchange) { $0.reset() }
    } else {
      exchange.connection = nil
      exchange = HTTP1Exchange(shard, remote: remote, isSecure: stream.isSecure)
      exchange.connection = .passUnretained(self)
    }
  }

  private func readBody(_ bytes: UnsafeMutableRawBufferPointer, upTo most: Int) throws(HTTPRefusal) -> Int? {
    guard most > 0, exchange.handler != nil else { return nil }
    switch try body.next(bytes, upTo: most, trailers: trailers) {
    case .needMore(let used): return used == 0 ? nil : used
    case .piece(let skipped, let count):
      try addToSize(count)
      exchange.credit -= count
      exchange.handler?.exchangeBody(UnsafeRawBufferPointer(rebasing: bytes[skipped..<(skipped + count)]))
      if body.hasEnded { bodyEnded() }
      return skipped + count
    case .end(let used):
      bodyEnded()
      return used
    }
  }

  private func addToSize(_ count: Int) throws(HTTPRefusal) {
    bodySize += count
    guard bodySize <= shard.limits.body else { throw tooLarge }
  }

  private var tooLarge: HTTPRefusal { HTTPRefusal(413, "the body is larger than \(shard.limits.body) bytes") }

  private func bodyEnded() {
    // Its handler may have answered meanwhile; then the next request's turn has come.
    guard case .body = state else { return }
    exchange.requestHasEnded = true
    state = .answering
    exchange.handler?.exchangeRequestEnded(trailers)
    trailers.reset()
  }

  private func discard(_ bytes: UnsafeMutableRawBufferPointer, _ left: Int) throws(HTTPRefusal) -> Int? {
    switch try body.next(bytes, trailers: trailers) {
    case .needMore(let used): return used == 0 ? nil : used
    case .piece(let skipped, let count):
      guard count <= left else {
        end()
        return bytes.count
      }
      state = .discarding(left - count)
      if body.hasEnded { becomeIdle() }
      return skipped + count
    case .end(let used):
      becomeIdle()
      return used
    }
  }

  /// More of the body is wanted.
  func wantsMore() { stream.reoffer() }

  // MARK: Out

  /// Whether the connection stays open behind the answer that begins now, and perhaps is whole already.
  func staysOpen(after exchange: HTTP1Exchange, isWhole: Bool) -> Bool {
    guard exchange.head.keepsAlive, !shard.isClosing, stream.isOpen else { return false }
    guard case .body = state else { return true }
    // Who waits for "100 Continue" may or may not send its body now; nobody could tell it from the next request.
    if exchange.head.expectsContinue { return false }
    // What an answer leaves of the body while it streams shows when it is whole; more than the limit closes it then.
    guard isWhole, let left = body.remaining else { return true }
    return left <= Self.discardLimit
  }

  func answered(_ exchange: HTTP1Exchange, staysOpen: Bool) {
    watch.note(turnBegan)
    guard staysOpen else { return end() }
    if case .body = state, !body.hasEnded { state = .discarding(Self.discardLimit) } else { becomeIdle() }
    stream.reoffer()
  }

  private func becomeIdle() {
    trailers.reset()
    state = .idle
  }

  private func end() {
    state = .ending
    stream.finish()
  }

  private func refuse(_ refusal: HTTPRefusal) {
    state = .ending
    if exchange.answer == .none {
      exchange.head.keepsAlive = false
      let handler = exchange.handler
      exchange.handler = nil
      exchange.refuse(refusal.status, refusal.reason)
      handler?.exchangeFailed(NH_INVALID_ARGUMENT, refusal.reason)
    } else {
      exchange.failed(NH_INVALID_ARGUMENT, refusal.reason)
    }
    stream.finish()
  }

  // MARK: The stream

  var wantsInput: Bool {
    switch state {
    case .idle, .head, .discarding, .ending: true
    case .body: exchange.credit > 0 && exchange.handler != nil
    case .answering: false
    }
  }

  func streamFinished() {
    switch state {
    case .idle, .ending: stream.finish()
    // It may have closed only the side that it needs no more, as `nc -N` does, or be gone: nobody can tell. nginx and
    // Go take the second for granted. Here an answer that comes soon is still sent; then the handler is told (`tick`).
    case .answering: exchange.head.keepsAlive = false
    case .head, .body, .discarding:
      exchange.failed(NH_UNAVAILABLE, "the client hung up in the middle of its request")
      stream.close()
    }
  }

  func streamDrained() { exchange.drained() }

  func streamClosed(_ failure: NetworkFailure?) {
    exchange.connection = nil
    // Between two requests, none has failed.
    if case .idle = state {} else { exchange.failed(NH_UNAVAILABLE, failure?.words ?? "the connection was closed") }
    shard.forget(self)
  }

  func streamVanished() { exchange.handler = nil }

  func breakOff() {
    state = .ending
    stream.close()
  }

  // MARK: Time

  func tick(_ now: Int64) {
    let limits = shard.limits
    watch.note(stream.takeSentCount(), now)
    if stream.waiting > 0 {
      guard watch.isOlder(than: limits.stall, now) else { return }
      return stream.close(NetworkFailure("the client does not read its answer"))
    }
    switch state {
    case .idle:
      stream.trim()
      if watch.isOlder(than: isFirst ? limits.headTime : limits.idle, now) { stream.close() }
    case .head where now - headBegan > limits.headTime: refuse(HTTPRefusal(408, "the request took too long to come"))
    case .body where exchange.credit > 0 && watch.isOlder(than: limits.stall, now):
      refuse(HTTPRefusal(408, "the request's body stopped coming"))
    case .discarding where watch.isOlder(than: limits.stall, now): stream.close()
    case .answering where stream.inputHasEnded: endIfDeserted(now)
    default: break
    }
  }

  private func endIfDeserted(_ now: Int64) {
    let since = hungUpAt ?? now
    hungUpAt = since
    guard now - since > ServerLimits.hangUp, watch.isOlder(than: ServerLimits.hangUp, now) else { return }
    stream.close(NetworkFailure("the client hung up"))
  }

  func shutdown() { if case .idle = state { stream.close() } }
}

/// A request on a connection of HTTP/1.1.
final class HTTP1Exchange: ServerExchange, @unchecked Sendable {
  /// Nil once the connection has gone on or away.
  var connection: Unmanaged<HTTP1Connection>?
  private var framing = HTTP1ResponseWriter.Framing.none
  private var left = 0
  private var staysOpen = true

  override var canWrite: Bool { connection?._withUnsafeGuaranteedRef { !$0.stream.isFull } ?? false }

  override func bodyFits(_ count: Int) -> Bool {
    if case .length = framing { return count <= left }
    return true
  }

  override func sendHead(_ response: ResponseHead, _ body: UnsafeRawBufferPointer, ends: Bool) {
    connection?._withUnsafeGuaranteedRef { connection in
      staysOpen = connection.staysOpen(after: self, isWhole: ends)
      framing = frame(response, ends: ends)
      let date = uncounted(shard) { $0.date() }
      uncounted(connection.stream) {
        HTTP1ResponseWriter.head(response, framing, persistence, date: date, to: $0)
      }
    }
    if case .length(let length) = framing { left = length }
    if body.count > 0 { sendBody(body) }
    if ends, case .chunked = framing { sendEnd(nh_pair_list(), areOwn: true) }
  }

  override func sendForwardedHead(_ head: MessageHead, _ leftOut: FieldSet) {
    connection?._withUnsafeGuaranteedRef { connection in
      staysOpen = connection.staysOpen(after: self, isWhole: false)
      framing = frame(head)
      if case .length(let length) = framing { left = length }
      uncounted(connection.stream) {
        HTTP1ResponseWriter.head(head, leavingOut: leftOut, framing, hasNoBody: isToHead, persistence, to: $0)
      }
    }
  }

  private var persistence: HTTP1ResponseWriter.Persistence {
    staysOpen ? (head.isHTTP10 ? .saidToStay : .stays) : .ends
  }

  private func frame(_ head: MessageHead) -> HTTP1ResponseWriter.Framing {
    switch head.framing {
    case .none: return head.status == 204 || head.status == 304 || isToHead ? .none : .length(0)
    case .length(let length): return .length(length)
    case .chunked, .untilClosed:
      guard self.head.isHTTP10 else { return .chunked }
      staysOpen = false
      return .untilClosed
    }
  }

  private func frame(_ response: ResponseHead, ends: Bool) -> HTTP1ResponseWriter.Framing {
    if response.status == 204 || response.status == 304 { return .none }
    if let length = response.length { return .length(length) }
    if head.isHTTP10 {
      staysOpen = false
      return .untilClosed
    }
    return .chunked
  }

  /// Counted, as writing much may find that the other side has gone, and end all.
  @inline(__always)
  private var stream: Stream? { connection?._withUnsafeGuaranteedRef(\.stream) }

  override func sendBody(_ body: UnsafeRawBufferPointer) {
    guard let stream, !isToHead else { return }
    switch framing {
    case .none: break
    case .chunked: HTTP1ResponseWriter.chunk(body, to: stream)
    case .untilClosed: stream.write(body)
    case .length:
      let fitting = UnsafeRawBufferPointer(rebasing: body.prefix(left))
      left -= fitting.count
      stream.write(fitting)
    }
  }

  override func sendEnd(_ trailers: nh_pair_list, areOwn: Bool) {
    guard !isToHead else { return }
    if case .chunked = framing, let stream { HTTP1ResponseWriter.lastChunk(trailers, to: stream) }
    // Shorter than announced: only the end of the connection can tell.
    if case .length = framing, left > 0 { staysOpen = false }
  }

  override func follow(to home: EventLoop) -> Bool {
    connection?._withUnsafeGuaranteedRef { $0.follow(to: home) } ?? false
  }

  override func breakOff() { connection?.takeUnretainedValue().breakOff() }

  override func grant(_ bytes: Int) {
    credit += bytes
    connection?._withUnsafeGuaranteedRef { $0.wantsMore() }
  }

  override func answered() { connection?._withUnsafeGuaranteedRef { $0.answered(self, staysOpen: staysOpen) } }
}
