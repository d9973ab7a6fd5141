import CHttp2
import CNodeABI
import HostCore

/// A client's connection that speaks HTTP/2: many requests at once, each an exchange of its own.
final class HTTP2ServerConnection: HTTP2Connection, ServerConnection, @unchecked Sendable {
  /// Exchanges kept for the next requests.
  private static let spareLimit = 32
  /// Between telling that the connection will end and the last word on which requests still count.
  private static let noticeNanoseconds: Int64 = 1_000_000_000

  /// The listener keeps its shards as long as there are connections.
  private(set) unowned(unsafe) var shard: ListenerShard
  private let headLimits: HeadLimits
  var place = 0
  let remote: Remote
  private var open: [HTTP2Exchange] = []
  private var spare: [HTTP2Exchange] = []
  /// Whose head is being read; one of the open ones.
  private var reading: Unmanaged<HTTP2Exchange>?
  private var readsTrailers = false
  private var restsSince: Int64
  private var watch = ProgressWatch()
  private var noticeAt: Int64?
  /// Until it is known where the connection belongs.
  private var firstFrames: FirstFrames? = FirstFrames()
  private var leaving: (home: EventLoop, exchange: HTTP2Exchange)?

  init(_ stream: Stream, _ shard: ListenerShard, remote: Remote) {
    self.shard = shard
    self.remote = remote
    headLimits = shard.limits.head
    restsSince = shard.loop.turnBegan
    super.init(stream)
    watch.note(shard.loop.turnBegan)
    begin(
      isServer: true,
      [
        (NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, shard.limits.streams),
        (NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, shard.limits.head.head),
        (NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1),
      ])
  }

  override var hasOpenStreams: Bool { !open.isEmpty }

  // MARK: Heads

  override func headBegins(_ id: Int32, _ kind: nghttp2_headers_category) -> Int32 {
    guard !stream.isClosed else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
    if kind == NGHTTP2_HCAT_REQUEST {
      let exchange = take()
      exchange.flow.id = id
      exchange.flow.place = open.count
      exchange.headBegan = shard.loop.turnBegan
      open.append(exchange)
      nghttp2_session_set_stream_user_data(session, id, Unmanaged.passUnretained(exchange.flow).toOpaque())
      reading = .passUnretained(exchange)
      readsTrailers = false
    } else {
      reading = nil
      _ = withFlow(id) { reading = .passUnretained(exchange($0)) }
      readsTrailers = true
    }
    return HTTP2.success
  }

  private func take() -> HTTP2Exchange {
    guard let exchange = spare.popLast() else { return HTTP2Exchange(self, isSecure: stream.isSecure) }
    exchange.reset()
    return exchange
  }

  /// Counted: what is done with it may end the connection, and so all that it owns.
  @inline(__always)
  private func exchange(_ flow: HTTP2Flow) -> HTTP2Exchange {
    unsafeDowncast(flow.exchange.takeUnretainedValue(), to: HTTP2Exchange.self)
  }

  override func field(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    reading?._withUnsafeGuaranteedRef { exchange in
      if readsTrailers { exchange.trailer(name, value) } else { exchange.field(name, value, headLimits) }
    }
  }

  override func headEnds(_ id: Int32, _ kind: nghttp2_headers_category, endsStream: Bool) {
    guard let exchange = reading?.takeUnretainedValue(), exchange.flow.id == id else { return }
    reading = nil
    guard kind == NGHTTP2_HCAT_REQUEST else {
      if endsStream { exchange.requestEnded() }
      return
    }
    exchange.headRead(endsStream: endsStream)
  }

  // MARK: From loop to loop

  /// Before a request has come for a target with a home, bytes are handed on only up to each head's end, so that the
  /// connection can go to that home with nothing read beyond.
  override func streamReceived(_ bytes: UnsafeMutableRawBufferPointer) -> Int {
    guard var firstFrames else { return super.streamReceived(bytes) }
    let count = firstFrames.advance(UnsafeRawBufferPointer(bytes))
    self.firstFrames = firstFrames.isOver ? nil : firstFrames
    guard count > 0 else { return 0 }
    let used = super.streamReceived(UnsafeMutableRawBufferPointer(rebasing: bytes[..<count]))
    if let (home, exchange) = leaving {
      leaving = nil
      self.firstFrames = nil
      if !move(to: home, with: exchange) { shard.dispatch(exchange) }
      return used
    }
    guard used < bytes.count, stream.isOpen else { return used }
    return used + streamReceived(UnsafeMutableRawBufferPointer(rebasing: bytes[used...]))
  }

  /// Calls of gRPC go to one role mostly, by many streams of one connection: where that role lives nothing of them has
  /// to be carried from loop to loop. False: the request goes there alone.
  func follow(to home: EventLoop, with exchange: HTTP2Exchange) -> Bool {
    guard firstFrames != nil, open.count == 1, !isEnding else { return false }
    leaving = (home, exchange)
    return true
  }

  private func move(to home: EventLoop, with exchange: HTTP2Exchange) -> Bool {
    guard stream.mayMove, !exchange.isOver, let other = shard.listener.shard(on: home) else { return false }
    shard.forget(self)
    for spare in spare { spare.moved(to: other) }
    stream.move(to: home) { [self] in
      shard = other
      exchange.moved(to: other)
      other.adopt(self)
      other.dispatch(exchange)
    }
    return true
  }

  // MARK: Bodies

  override func data(_ flow: HTTP2Flow, _ bytes: UnsafeRawBufferPointer) { exchange(flow).received(bytes) }

  override func streamEnds(_ flow: HTTP2Flow) { exchange(flow).requestEnded() }

  override func hasRoom(_ flow: HTTP2Flow) { exchange(flow).drained() }

  override func sent(_ flow: HTTP2Flow) {
    flow.exchange._withUnsafeGuaranteedRef { exchange in
      let exchange = unsafeDowncast(exchange, to: HTTP2Exchange.self)
      guard !exchange.inputHasEnded else { return }
      // The client may stop sending what nobody reads any more. Told so in one breath with the answer, curl loses that.
      if exchange.isLongLived { reset(flow, NGHTTP2_NO_ERROR) } else { exchange.wasAnsweredEarly = true }
    }
  }

  override func closed(_ flow: HTTP2Flow, _ code: UInt32) {
    let place = flow.place
    nghttp2_session_set_stream_user_data(session, flow.id, nil)
    forget(flow)
    if let reading, reading._withUnsafeGuaranteedRef({ $0.flow === flow }) { self.reading = nil }
    if open.count == 1 { restsSince = stream.loop.turnBegan }
    // Nothing here holds it afterwards, or it could not be used again.
    open[place].closed(code)
    keep(place)
    if open.isEmpty, isEnding { finishLater() }
  }

  /// Takes an exchange from the open ones. If this was the last that held it, it is kept for the next request.
  private func keep(_ place: Int) {
    var ended = open.removeLast()
    if place < open.count {
      swap(&open[place], &ended)
      uncounted(open[place]) { $0.flow.place = place }
    }
    if spare.count < Self.spareLimit, isKnownUniquelyReferenced(&ended) {
      spare.append(consume ended)
    } else {
      ended.connection = nil
    }
  }

  /// This may be inside nghttp2, which must not be asked for output there.
  private func finishLater() { noticeAt = noticeAt ?? .min }

  // MARK: The end

  override func lost(_ failure: NetworkFailure?) {
    let broken = open
    open = []
    spare = []
    reading = nil
    let words = failure?.words ?? "the connection was closed"
    for exchange in broken {
      // nghttp2 may be in the middle of something.
      nghttp2_session_set_stream_user_data(session, exchange.flow.id, nil)
      exchange.lost(words)
    }
    shard.forget(self)
  }

  override func streamVanished() { for exchange in open { exchange.handler = nil } }

  /// Two steps (RFC 9113, 6.8): requests that are on their way now still count.
  func shutdown() {
    guard noticeAt == nil, !isEnding else { return }
    if open.isEmpty { return announceEnd() }
    nghttp2_submit_shutdown_notice(session)
    noticeAt = shard.loop.turnBegan
    stream.wantsToGather()
  }

  // MARK: Time

  func tick(_ now: Int64) {
    let limits = shard.limits
    watch.note(stream.takeSentCount(), now)
    if stream.waiting > 0 {
      guard watch.isOlder(than: limits.stall, now) else { return }
      return stream.close(NetworkFailure("the client does not read its answers"))
    }
    watch.note(now)
    guard isAlive(now) else { return stream.close(NetworkFailure("the client answers no ping")) }
    if let noticeAt, now - max(noticeAt, 0) >= Self.noticeNanoseconds { announceEnd() }
    if isEnding, open.isEmpty { return finish() }
    if open.isEmpty {
      trim()
      if now - restsSince > limits.idle { announceEnd() }
    }
    for exchange in open.reversed() where exchange.flow.place < open.count { exchange.tick(now, limits) }
  }
}
