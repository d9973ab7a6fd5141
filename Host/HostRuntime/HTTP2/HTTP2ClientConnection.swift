import CHttp2
import CNodeABI
import HostCore

/// A connection to another server that speaks HTTP/2: many requests at once.
final class HTTP2ClientConnection: HTTP2Connection, ClientConnection {
  /// A stream, which may outlive the exchange that it was opened for.
  private final class OpenStream {
    let flow = HTTP2Flow()
    var exchange: ClientExchange?
    /// What the server may still send.
    var window = HTTP2Connection.streamWindow
    var hasBody = false
    let trailers = MessageHead(capacity: 64)
    var readsTrailers = false
    var fieldBytes = 0

    init() { flow.exchange = .passUnretained(self) }
  }

  private static let spareLimit = 64

  private unowned(unsafe) let origin: ClientOrigin
  var isListed = false
  /// `exchange.stream` is the place here.
  private var open: [OpenStream] = []
  private var spare: [OpenStream] = []
  private var reading: OpenStream?
  private var isGoing = false
  private var idleSince: Int64

  init(_ stream: Stream, of origin: ClientOrigin) {
    self.origin = origin
    idleSince = origin.loop.turnBegan
    super.init(stream)
    begin(
      isServer: false,
      [(NGHTTP2_SETTINGS_ENABLE_PUSH, 0), (NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, origin.limits.head.head)])
  }

  override var hasOpenStreams: Bool { !open.isEmpty }
  /// Servers of gRPC take more frequent ones for an attack.
  override var pingAfter: Int64 { 330_000_000_000 }

  var isIdle: Bool { open.isEmpty }

  var room: Int {
    guard stream.isOpen, !isGoing, !isEnding else { return 0 }
    let allowed = nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS)
    return max(0, min(origin.limits.streams, Int(allowed)) - open.count)
  }

  // MARK: Out

  func begin(_ exchange: ClientExchange) {
    let opened = spare.popLast() ?? OpenStream()
    opened.exchange = exchange
    opened.window = Self.streamWindow
    opened.hasBody = exchange.request.framing != .none
    opened.flow.watch.note(origin.loop.turnBegan)
    exchange.stream = Int32(open.count)
    opened.flow.place = open.count
    open.append(opened)
    let id = submit(exchange.request, opened)
    guard id >= 0 else {
      // All ids of a connection have been used: the next request gets another one.
      isGoing = true
      remove(opened)
      exchange.began(self)
      return exchange.broke(NH_UNAVAILABLE, "the connection is used up", hadNoEffect: true)
    }
    opened.flow.id = id
    stream.wantsToGather()
    exchange.began(self)
  }

  private func submit(_ request: ClientRequest, _ opened: OpenStream) -> Int32 {
    let count = 6 + request.head.fields.count + (request.added?.fields.count ?? 0)
    return HTTP2Fields.with(count) { fields in
      withUnsafeTemporaryAllocation(byteCount: 32, alignment: 1) { room in
        fields.add(":method", request.method)
        fields.add(":scheme", stream.isSecure ? "https" : "http")
        fields.add(":authority", request.authority)
        fields.add(":path", request.target)
        if case .length(let length) = request.framing {
          fields.add("content-length", HTTP2Fields.digits(length, room.baseAddress!))
        }
        if request.takesTrailers { fields.add("te", "trailers") }
        request.forEachField { name, value in fields.add(name, value) }
        let own = Unmanaged.passUnretained(opened.flow).toOpaque()
        guard opened.hasBody else {
          return nghttp2_submit_request(session, nil, fields.all.baseAddress, fields.count, nil, own)
        }
        var provider = opened.flow.provider
        return nghttp2_submit_request(session, nil, fields.all.baseAddress, fields.count, &provider, own)
      }
    }
  }

  private func opened(for exchange: ClientExchange) -> OpenStream? {
    let place = Int(exchange.stream)
    guard place < open.count, open[place].exchange === exchange else { return nil }
    return open[place]
  }

  func canSend(_ exchange: ClientExchange) -> Bool { opened(for: exchange).map { !$0.flow.isFull } ?? false }

  func send(_ exchange: ClientExchange, _ bytes: UnsafeRawBufferPointer) {
    guard let opened = opened(for: exchange), opened.hasBody else { return }
    opened.flow.write(bytes, to: session)
    stream.wantsToGather()
  }

  func sendEnd(_ exchange: ClientExchange, _ trailers: MessageHead?) {
    guard let opened = opened(for: exchange), opened.hasBody else { return }
    if let trailers {
      trailers.withPairs { opened.flow.end($0, to: session) }
    } else {
      opened.flow.end(nh_pair_list(), to: session)
    }
    stream.wantsToGather()
  }

  func granted(_ exchange: ClientExchange) {
    if let opened = opened(for: exchange) { openWindow(opened, exchange) }
  }

  private func openWindow(_ opened: OpenStream, _ exchange: ClientExchange) {
    let owed = exchange.credit - opened.window
    guard HTTP2Flow.isWorthGranting(owed, window: opened.window) else { return }
    opened.window += owed
    grant(owed, opened.flow)
  }

  func cancel(_ exchange: ClientExchange) {
    guard let opened = opened(for: exchange) else { return }
    opened.exchange = nil
    reset(opened.flow, NGHTTP2_CANCEL)
  }

  override func hasRoom(_ flow: HTTP2Flow) { of(flow).exchange?.drained() }

  // MARK: In

  @inline(__always)
  private func of(_ flow: HTTP2Flow) -> OpenStream {
    unsafeDowncast(flow.exchange.takeUnretainedValue(), to: OpenStream.self)
  }

  override func headBegins(_ id: Int32, _ kind: nghttp2_headers_category) -> Int32 {
    guard !stream.isClosed else { return NGHTTP2_ERR_CALLBACK_FAILURE.rawValue }
    reading = nil
    _ = withFlow(id) { reading = of($0) }
    reading?.readsTrailers = reading?.exchange?.isAnswered ?? true
    reading?.fieldBytes = 0
    return HTTP2.success
  }

  override func field(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    guard let reading, let exchange = reading.exchange else { return }
    reading.fieldBytes += name.count + value.count
    let head = reading.readsTrailers ? reading.trailers : exchange.answer
    guard reading.fieldBytes <= origin.limits.head.head, head.fields.count < origin.limits.head.fields else {
      return breakOff(reading, NH_RESOURCE_EXHAUSTED, "its answer has more headers than are taken")
    }
    if name.first == UInt8(ascii: ":") {
      for digit in value { exchange.answer.status = exchange.answer.status * 10 + Int(digit) - 0x30 }
    } else {
      head.addField(lowercase: name, value)
    }
  }

  private func breakOff(_ opened: OpenStream, _ status: nh_status, _ words: String) {
    let exchange = opened.exchange
    opened.exchange = nil
    reset(opened.flow, NGHTTP2_CANCEL)
    exchange?.broke(status, "\(origin.address.words): \(words)", hadNoEffect: false)
  }

  override func headEnds(_ id: Int32, _ kind: nghttp2_headers_category, endsStream: Bool) {
    guard let opened = reading, opened.flow.id == id, let exchange = opened.exchange else { return }
    reading = nil
    if !opened.readsTrailers {
      let answer = exchange.answer
      if answer.status < 200, !endsStream { return answer.reset() }
      if !endsStream, !exchange.request.head.equals(exchange.request.head.method, "HEAD") {
        let length = (try? answer.contentLength()) ?? nil
        answer.framing = length.map { .length($0) } ?? .chunked
      }
      exchange.headCame()
    }
    if endsStream { answerEnded(opened) }
  }

  override func data(_ flow: HTTP2Flow, _ bytes: UnsafeRawBufferPointer) {
    let opened = of(flow)
    flow.watch.note(bytes.count, origin.loop.turnBegan)
    opened.window -= bytes.count
    used(bytes.count)
    guard let exchange = opened.exchange else { return }
    exchange.bodyCame(bytes)
    // What was granted in small parts before, and was not worth a frame then.
    if opened.window < HTTP2Flow.leastGrant, opened.exchange === exchange { openWindow(opened, exchange) }
  }

  override func streamEnds(_ flow: HTTP2Flow) { answerEnded(of(flow)) }

  private func answerEnded(_ opened: OpenStream) {
    guard let exchange = opened.exchange else { return }
    opened.exchange = nil
    if opened.hasBody, !opened.flow.hasEnded { reset(opened.flow, NGHTTP2_CANCEL) }
    exchange.answerEnded(opened.trailers)
  }

  override func closed(_ flow: HTTP2Flow, _ code: UInt32) {
    let opened = of(flow)
    nghttp2_session_set_stream_user_data(session, flow.id, nil)
    forget(flow)
    if reading === opened { reading = nil }
    let exchange = opened.exchange
    remove(opened)
    if open.isEmpty { idleSince = origin.loop.turnBegan }
    if let exchange {
      let (status, words) = Self.meaning(code)
      exchange.broke(
        status, "\(origin.address.words): \(words)", hadNoEffect: code == NGHTTP2_REFUSED_STREAM.rawValue)
    }
    if room > 0 { origin.hasRoom(self) }
  }

  private func remove(_ opened: OpenStream) {
    let place = opened.flow.place
    let last = open.removeLast()
    if last !== opened {
      last.flow.place = place
      last.exchange?.stream = Int32(place)
      open[place] = last
    }
    opened.exchange = nil
    guard spare.count < Self.spareLimit else { return }
    opened.flow.reset()
    opened.trailers.reset()
    spare.append(opened)
  }

  /// RFC 9113, 7, and what gRPC makes of it.
  private static func meaning(_ code: UInt32) -> (nh_status, String) {
    switch code {
    case NGHTTP2_REFUSED_STREAM.rawValue: (NH_UNAVAILABLE, "it refused the request")
    case NGHTTP2_CANCEL.rawValue: (NH_CANCELLED, "it gave the request up")
    case NGHTTP2_ENHANCE_YOUR_CALM.rawValue: (NH_RESOURCE_EXHAUSTED, "it finds that too much is asked of it")
    case NGHTTP2_INADEQUATE_SECURITY.rawValue: (NH_PERMISSION_DENIED, "it finds the connection not secure enough")
    default: (NH_INTERNAL, "it broke the request off (\(String(cString: nghttp2_http2_strerror(code))))")
    }
  }

  // MARK: The end

  override func settingsCame() { if room > 0 { origin.hasRoom(self) } }

  override func goingAway(_ lastID: Int32, _ code: UInt32) {
    isGoing = true
    origin.unlist(self)
    if open.isEmpty { stream.finish() }
  }

  override func lost(_ failure: NetworkFailure?) {
    isGoing = true
    origin.forget(self)
    let broken = open
    open = []
    reading = nil
    let words = failure?.words ?? "the connection was closed"
    for opened in broken {
      nghttp2_session_set_stream_user_data(session, opened.flow.id, nil)
      let exchange = opened.exchange
      opened.exchange = nil
      exchange?.broke(NH_UNAVAILABLE, "\(origin.address.words): \(words)", hadNoEffect: !opened.flow.hasBegun)
    }
  }

  override func streamVanished() { for opened in open { opened.exchange?.handler = nil } }

  func close() {
    isGoing = true
    stream.close()
  }

  func tick(_ now: Int64) {
    guard isAlive(now) else { return stream.close(NetworkFailure("it answers no ping")) }
    guard open.isEmpty else { return }
    trim()
    if isGoing || now - idleSince > origin.limits.idle {
      origin.unlist(self)
      announceEnd()
    }
  }
}
