import CHttp2
import CNodeABI
import HostCore

/// A request on a connection of HTTP/2.
final class HTTP2Exchange: ServerExchange, @unchecked Sendable {
  /// So many times what a head may have is read over before the connection ends: a few bytes of HPACK can stand for
  /// megabytes.
  private static let surplusFactor = 8

  private static let noTrailers = MessageHead(capacity: 0)

  let flow = HTTP2Flow()
  /// Nil once the stream has been closed. The connection stays as long as its own stream is open, and while that calls
  /// it.
  var connection: Unmanaged<HTTP2ServerConnection>?
  var headBegan: Int64 = 0
  /// Body that came before somebody took the exchange.
  private var pending = ByteQueue()
  private var trailers: MessageHead?
  private var bodySize = 0
  /// What the client may still send.
  private var window = HTTP2Connection.streamWindow
  private var refusal: HTTPRefusal?
  private var hasBegun = false
  /// All of the request has come, though perhaps not all has been handed on.
  private(set) var inputHasEnded = false
  private var cookies = 0
  /// Bytes of fields that were more than allowed.
  private var surplus = 0
  /// All of the answer has been sent and the request is not whole: who goes on with it is told not to.
  var wasAnsweredEarly = false

  init(_ connection: HTTP2ServerConnection, isSecure: Bool) {
    self.connection = .passUnretained(connection)
    super.init(connection.shard, remote: connection.remote, isSecure: isSecure)
    flow.exchange = .passUnretained(self)
  }

  override func reset() {
    super.reset()
    flow.reset()
    pending.removeAll()
    pending.shrink(to: ByteQueue.leastCapacity)
    if let trailers { trailers.reset() }
    bodySize = 0
    window = HTTP2Connection.streamWindow
    refusal = nil
    hasBegun = false
    inputHasEnded = false
    cookies = 0
    surplus = 0
    wasAnsweredEarly = false
  }

  override var speaksHTTP2: Bool { true }

  @inline(__always)
  private func withConnection(_ body: (HTTP2ServerConnection) -> Void) { connection?._withUnsafeGuaranteedRef(body) }

  // MARK: In

  func field(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, _ limits: HeadLimits) {
    guard refusal == nil else { return passOver(name.count + value.count) }
    guard head.used + name.count + value.count <= limits.head, head.fields.count < limits.fields else {
      refusal = HTTPRefusal(431, "the headers are larger than \(limits.head) bytes, or more than \(limits.fields)")
      return
    }
    guard name.first == UInt8(ascii: ":") else {
      if name.count == 6, name.elementsEqual("cookie".utf8) { cookies += 1 }
      return head.addField(lowercase: name, value)
    }
    let part = head.add(value)
    switch name.count {
    case 5: head.target = part
    case 7: if name[1] == UInt8(ascii: "m") { head.method = part } else { head.scheme = part }
    case 10: head.authority = part
    // Extended CONNECT was not offered.
    default: refusal = HTTPRefusal(501, "this is no proxy to connect through")
    }
  }

  private func passOver(_ count: Int) {
    surplus += count
    if surplus > Self.surplusFactor * shard.limits.head.head { withConnection { $0.isFlooded = true } }
  }

  func trailer(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    let kept = trailers ?? MessageHead(capacity: 256)
    trailers = kept
    guard kept.used + name.count + value.count <= shard.limits.head.head, kept.fields.count < shard.limits.head.fields
    else {
      if surplus == 0 { withConnection { $0.reset(flow, NGHTTP2_ENHANCE_YOUR_CALM) } }
      return passOver(name.count + value.count)
    }
    kept.addField(lowercase: name, value)
  }

  func headRead(endsStream: Bool) {
    flow.watch.note(turnBegan)
    hasBegun = true
    requestHasEnded = endsStream
    inputHasEnded = endsStream
    if refusal == nil {
      do throws(HTTPRefusal) { try understand(endsStream: endsStream) } catch { refusal = error }
    }
    if let refusal { return refuse(refusal.status, refusal.reason) }
    dispatch()
    if head.expectsContinue, answer == .none { withConnection { sayContinue($0) } }
  }

  private func sayContinue(_ connection: HTTP2ServerConnection) {
    HTTP2Fields.with(1) { fields in
      fields.add(":status", "100")
      nghttp2_submit_headers(
        connection.session, HTTP2.noFlags, flow.id, nil, fields.all.baseAddress, fields.count, nil)
    }
  }

  private func understand(endsStream: Bool) throws(HTTPRefusal) {
    if cookies > 1 { head.joinCookies() }
    if head.authority.count == 0, let host = head.value("host") { head.authority = host }
    if !endsStream {
      head.framing = try head.contentLength().map { .length($0) } ?? .chunked
      if case .length(let length) = head.framing, length > shard.limits.body { throw tooLarge }
      head.expectsContinue = head.value("expect").map { head.equalsIgnoringCase($0, "100-continue") } ?? false
    }
    guard head.target.count > 0 else { throw HTTPRefusal(501, "this is no proxy to connect through") }
    try head.understandTarget()
  }

  private var tooLarge: HTTPRefusal { HTTPRefusal(413, "the body is larger than \(shard.limits.body) bytes") }

  func received(_ bytes: UnsafeRawBufferPointer) {
    flow.watch.note(bytes.count, turnBegan)
    window -= bytes.count
    bodySize += bytes.count
    guard !isOver else {
      withConnection { $0.used(bytes.count) }
      return stopRequest()
    }
    guard isLongLived || bodySize <= shard.limits.body else {
      withConnection { $0.used(bytes.count) }
      return answer == .none ? refuse(413, tooLarge.reason) : breakOff()
    }
    guard let handler, pending.isEmpty else { return pending.append(bytes) }
    hand(bytes, to: handler)
    // What was granted in small parts before, and was not worth a frame then.
    if window < HTTP2Flow.leastGrant { openWindow() }
  }

  private func stopRequest() {
    guard wasAnsweredEarly else { return }
    wasAnsweredEarly = false
    withConnection { $0.reset(flow, NGHTTP2_NO_ERROR) }
  }

  private func hand(_ bytes: UnsafeRawBufferPointer, to handler: any ExchangeHandler) {
    credit -= bytes.count
    withConnection { $0.used(bytes.count) }
    handler.exchangeBody(bytes)
  }

  func requestEnded() {
    inputHasEnded = true
    if pending.isEmpty, handler != nil { handEnd() }
  }

  private func handEnd() {
    requestHasEnded = true
    handler?.exchangeRequestEnded(trailers ?? Self.noTrailers)
  }

  /// More of the body may come, or somebody has taken the exchange whose body has waited for that.
  override func grant(_ bytes: Int) {
    credit += bytes
    if let handler, !pending.isEmpty {
      var waiting = ByteQueue()
      swap(&waiting, &pending)
      hand(UnsafeRawBufferPointer(waiting.bytes), to: handler)
    }
    if inputHasEnded {
      if handler != nil, pending.isEmpty, !requestHasEnded { handEnd() }
      return
    }
    openWindow()
  }

  private func openWindow() {
    guard !inputHasEnded else { return }
    let owed = credit - window - pending.count
    guard HTTP2Flow.isWorthGranting(owed, window: window) else { return }
    window += owed
    withConnection { $0.grant(owed, flow) }
  }

  // MARK: Out

  override var canWrite: Bool { connection != nil && !flow.isFull }
  override func bodyFits(_ count: Int) -> Bool { true }

  override func sendHead(_ response: ResponseHead, _ body: UnsafeRawBufferPointer, ends: Bool) {
    withConnection { sendHead(response, body, ends: ends, $0) }
  }

  private func sendHead(
    _ response: ResponseHead, _ body: UnsafeRawBufferPointer, ends: Bool, _ connection: HTTP2ServerConnection
  ) {
    let isEmpty = isToHead || response.status == 204 || response.status == 304 || (ends && body.isEmpty)
    if !isEmpty {
      flow.write(body, to: connection.session)
      if ends { flow.end(nh_pair_list(), areOwn: true, to: connection.session) }
    }
    HTTP2Fields.with(Int(response.headers.count) + 4) { fields in
      withUnsafeTemporaryAllocation(byteCount: 32, alignment: 1) { room in
        fields.add(":status", HTTP2Fields.digits(response.status, room.baseAddress!))
        if !isLongLived { addUsual(response, room.baseAddress! + 4, to: &fields) }
        for pair in ResponseHead.pairs(response.headers) where !ResponseHead.isTheHosts(pair.name) {
          fields.add(ResponseHead.bytes(pair.name), ResponseHead.bytes(pair.value), areOwn: response.areOwn)
        }
        submit(fields.all, connection, hasBody: !isEmpty)
      }
    }
  }

  /// What every document has, and no call needs.
  private func addUsual(_ response: ResponseHead, _ room: UnsafeMutableRawPointer, to fields: inout HTTP2Fields) {
    if !response.hasDate { fields.add("date", uncounted(shard) { $0.date() }) }
    if !response.hasServer { fields.add("server", "nodehost") }
    if let length = response.length, response.status != 204, response.status != 304 {
      fields.add("content-length", HTTP2Fields.digits(length, room))
    }
  }

  private func submit(
    _ fields: UnsafeMutableBufferPointer<nghttp2_nv>, _ connection: HTTP2ServerConnection, hasBody: Bool
  ) {
    if hasBody {
      var provider = flow.provider
      nghttp2_submit_response(connection.session, flow.id, fields.baseAddress, fields.count, &provider)
    } else {
      nghttp2_submit_response(connection.session, flow.id, fields.baseAddress, fields.count, nil)
    }
    connection.wantsToGather()
  }

  override func sendBody(_ body: UnsafeRawBufferPointer) {
    guard !isToHead else { return }
    withConnection {
      flow.write(body, to: $0.session)
      $0.wantsToGather()
    }
  }

  override func sendEnd(_ trailers: nh_pair_list, areOwn: Bool) {
    withConnection {
      flow.end(trailers, areOwn: areOwn, to: $0.session)
      $0.wantsToGather()
    }
  }

  override func breakOff() { withConnection { $0.reset(flow, NGHTTP2_INTERNAL_ERROR) } }

  override func answered() {}

  override func follow(to home: EventLoop) -> Bool {
    connection?._withUnsafeGuaranteedRef { $0.follow(to: home, with: self) } ?? false
  }

  // MARK: The end

  func closed(_ code: UInt32) {
    failed(NH_CANCELLED, code == NGHTTP2_CANCEL.rawValue ? "the client gave up" : "the client broke the request off")
    if !pending.isEmpty { withConnection { $0.used(pending.count) } }
  }

  func lost(_ words: String) {
    connection = nil
    failed(NH_UNAVAILABLE, words)
  }

  func tick(_ now: Int64, _ limits: ServerLimits) {
    guard let connection = connection?.takeUnretainedValue() else { return }
    stopRequest()
    if !hasBegun {
      if now - headBegan > limits.headTime { connection.breakOff(NGHTTP2_ENHANCE_YOUR_CALM) }
      return
    }
    guard !isLongLived, flow.watch.isOlder(than: limits.stall, now) else { return }
    if flow.output.count > 0 {
      failed(NH_DEADLINE_EXCEEDED, "the client does not read its answer")
      connection.reset(flow, NGHTTP2_CANCEL)
    } else if !inputHasEnded, credit > 0, handler != nil, answer == .none {
      let handler = handler.take()
      refuse(408, "the request's body stopped coming")
      handler?.exchangeFailed(NH_DEADLINE_EXCEEDED, "the request's body stopped coming")
    }
  }
}
