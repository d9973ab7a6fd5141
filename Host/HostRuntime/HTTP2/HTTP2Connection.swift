import CHttp2
import Glibc
import HostCore

/// One connection that speaks HTTP/2, as far as both sides are alike. nghttp2 knows the protocol and does no I/O: bytes
/// are put in as they come, and what it wants to send is fetched once at the end of each turn of the loop.
class HTTP2Connection: StreamOwner {
  /// Body of all streams together that may be on its way or unused.
  static let window: Int32 = 1 << 20
  /// What a stream begins with, by the protocol.
  static let streamWindow = 65_535
  /// Frames that carry nothing (pings, priorities, settings, empty pieces of bodies …) and may come at once.
  static let emptyFrameLimit = 2_000
  /// Of those, what is forgiven in a second.
  static let emptyFramesForgiven = 200
  /// Streams that the other side may break off at once, and what of them is forgiven in a second. nghttp2 has such a
  /// limit too, a little further away, but calls it an error of its own.
  static let resetLimit = 900
  static let resetsForgiven = 100
  /// Silence on a connection with open streams after which the other side is asked whether it is still there.
  var pingAfter: Int64 { 60_000_000_000 }
  static let pingTimeout: Int64 = 20_000_000_000

  let stream: Stream
  private let memory = HTTP2Memory()
  private(set) var session: OpaquePointer!
  private var emptyFrames = 0
  private var resets = 0
  /// The other side sends more in one head than anybody would; reading on would only cost time.
  final var isFlooded = false
  private var drained: [HTTP2Flow] = []
  private(set) var heardAt: Int64 = 0
  private var pingedAt: Int64?
  private(set) var isEnding = false

  init(_ stream: Stream) {
    self.stream = stream
    heardAt = stream.loop.turnBegan
  }

  deinit { nghttp2_session_del(session) }

  func begin(isServer: Bool, _ settings: [(nghttp2_settings_id, Int)]) {
    let own = Unmanaged.passUnretained(self).toOpaque()
    var functions = memory.functions
    let outcome =
      isServer
      ? nghttp2_session_server_new3(&session, HTTP2Callbacks.table, own, HTTP2Callbacks.options, &functions)
      : nghttp2_session_client_new3(&session, HTTP2Callbacks.table, own, HTTP2Callbacks.options, &functions)
    precondition(outcome == 0, "no memory for an HTTP/2 session")
    var entries = settings.map { nghttp2_settings_entry(settings_id: Int32($0.0.rawValue), value: UInt32($0.1)) }
    nghttp2_submit_settings(session, HTTP2.noFlags, &entries, entries.count)
    nghttp2_session_set_local_window_size(session, HTTP2.noFlags, 0, Self.window)
    stream.wantsToGather()
  }

  // MARK: What the sides do differently

  /// The head of a message, or trailers, begins.
  func headBegins(_ id: Int32, _ kind: nghttp2_headers_category) -> Int32 { 0 }
  func field(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {}
  /// A head or trailers are whole.
  func headEnds(_ id: Int32, _ kind: nghttp2_headers_category, endsStream: Bool) {}
  func data(_ flow: HTTP2Flow, _ bytes: UnsafeRawBufferPointer) {}
  func streamEnds(_ flow: HTTP2Flow) {}
  func closed(_ flow: HTTP2Flow, _ code: UInt32) {}
  /// All of the message has been given to the socket's queue.
  func sent(_ flow: HTTP2Flow) {}
  func hasRoom(_ flow: HTTP2Flow) {}
  func settingsCame() {}
  func goingAway(_ lastID: Int32, _ code: UInt32) {}
  func lost(_ failure: NetworkFailure?) {}
  var hasOpenStreams: Bool { false }

  // MARK: In

  func streamOpened() {}

  final var wantsInput: Bool { true }

  func streamReceived(_ bytes: UnsafeMutableRawBufferPointer) -> Int {
    heardAt = stream.loop.turnBegan
    pingedAt = nil
    let used = nghttp2_session_mem_recv(session, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
    if used < 0 {
      let isFlood = isFlooded || used == Int(NGHTTP2_ERR_FLOODED.rawValue)
      breakOff(isFlood ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR)
    }
    stream.wantsToGather()
    return bytes.count
  }

  fileprivate func frameBegins(_ header: nghttp2_frame_hd) {
    switch UInt32(header.type) {
    // nghttp2 does not tell of pieces of bodies here; see `received`.
    case NGHTTP2_HEADERS.rawValue, NGHTTP2_DATA.rawValue, NGHTTP2_WINDOW_UPDATE.rawValue: break
    case NGHTTP2_RST_STREAM.rawValue:
      resets += 1
      if resets == Self.resetLimit { calmDown() }
    default: countEmptyFrame()
    }
  }

  private func countEmptyFrame() {
    emptyFrames += 1
    if emptyFrames == Self.emptyFrameLimit { calmDown() }
  }

  private func calmDown() { nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM.rawValue) }

  fileprivate func received(_ frame: nghttp2_frame) {
    let header = frame.hd
    switch UInt32(header.type) {
    case NGHTTP2_HEADERS.rawValue:
      headEnds(header.stream_id, frame.headers.cat, endsStream: header.flags & HTTP2.endStream != 0)
    case NGHTTP2_DATA.rawValue:
      if header.flags & HTTP2.endStream == 0 {
        if header.length == 0 { countEmptyFrame() }
      } else {
        _ = withFlow(header.stream_id) { streamEnds($0) }
      }
    case NGHTTP2_SETTINGS.rawValue: settingsCame()
    case NGHTTP2_GOAWAY.rawValue: goingAway(frame.goaway.last_stream_id, frame.goaway.error_code)
    default: break
    }
  }

  /// False if there is no such stream any more. The flow is its exchange's, and that is the connection's.
  @inline(__always)
  final func withFlow(_ id: Int32, _ body: (HTTP2Flow) -> Void) -> Bool {
    guard let found = nghttp2_session_get_stream_user_data(session, id) else { return false }
    Unmanaged<HTTP2Flow>.fromOpaque(found)._withUnsafeGuaranteedRef(body)
    return true
  }

  /// So much of the body has been used, and as much more of all streams together may come.
  final func used(_ count: Int) {
    nghttp2_session_consume_connection(session, count)
    stream.wantsToGather()
  }

  /// So much more of a stream's body may come.
  final func grant(_ count: Int, _ flow: HTTP2Flow) {
    nghttp2_submit_window_update(session, HTTP2.noFlags, flow.id, Int32(clamping: count))
    stream.wantsToGather()
  }

  // MARK: Out

  /// Something new is to be sent.
  final func wantsToGather() { stream.wantsToGather() }

  final func streamGathers() {
    while !stream.isFull, !stream.isClosed {
      var bytes: UnsafePointer<UInt8>?
      let count = nghttp2_session_mem_send(session, &bytes)
      if count < 0 { return stream.close(NetworkFailure("no memory left for what is to be sent")) }
      if count == 0 { break }
      stream.write(UnsafeRawBufferPointer(start: bytes, count: count))
    }
    while let flow = drained.popLast() { hasRoom(flow) }
    if nghttp2_session_want_read(session) == 0, nghttp2_session_want_write(session) == 0 { stream.finish() }
  }

  func streamDrained() { stream.wantsToGather() }

  /// The header of a frame and its bytes, from the flow's own queue.
  fileprivate func sendData(_ flow: HTTP2Flow, _ header: UnsafePointer<UInt8>, _ count: Int) {
    let headerSize = 9
    stream.write(upTo: headerSize + count) { room in
      memcpy(room, header, headerSize)
      if count > 0 { memcpy(room + headerSize, flow.output.bytes.baseAddress!, count) }
      return headerSize + count
    }
    let wasFull = flow.output.count > HTTP2Flow.lowWater
    flow.output.removeFirst(count)
    flow.watch.note(count, stream.loop.turnBegan)
    if wasFull, flow.output.count <= HTTP2Flow.lowWater { drained.append(flow) }
  }

  fileprivate func frameSent(_ header: nghttp2_frame_hd) {
    let isHead = header.type == NGHTTP2_HEADERS.rawValue, ends = header.flags & HTTP2.endStream != 0
    guard isHead || (ends && header.type == NGHTTP2_DATA.rawValue) else { return }
    _ = withFlow(header.stream_id) { flow in
      flow.hasBegun = true
      if ends { sent(flow) }
    }
  }

  final func reset(_ flow: HTTP2Flow, _ code: nghttp2_error_code) {
    nghttp2_submit_rst_stream(session, HTTP2.noFlags, flow.id, code.rawValue)
    stream.wantsToGather()
  }

  final func forget(_ flow: HTTP2Flow) { if !drained.isEmpty { drained.removeAll { $0 === flow } } }

  // MARK: The end

  func streamFinished() { stream.close() }

  func streamClosed(_ failure: NetworkFailure?) { lost(failure) }

  func streamVanished() {}

  /// Says why and closes; streams that are open break.
  final func breakOff(_ code: nghttp2_error_code) {
    nghttp2_session_terminate_session(session, code.rawValue)
    streamGathers()
    stream.finish()
  }

  /// Nothing new shall begin; what is under way goes on.
  final func announceEnd() {
    guard !isEnding else { return }
    isEnding = true
    nghttp2_submit_goaway(
      session, HTTP2.noFlags, nghttp2_session_get_last_proc_stream_id(session), NGHTTP2_NO_ERROR.rawValue, nil, 0)
    stream.wantsToGather()
    if !hasOpenStreams { finish() }
  }

  final func finish() {
    streamGathers()
    stream.finish()
  }

  // MARK: Time

  /// Nothing is under way: gives back memory that is not needed now.
  final func trim() {
    stream.trim()
    memory.trim()
  }

  /// Once a second. False if the other side is not there any more.
  final func isAlive(_ now: Int64) -> Bool {
    emptyFrames = max(0, emptyFrames - Self.emptyFramesForgiven)
    resets = max(0, resets - Self.resetsForgiven)
    if let pingedAt { return now - pingedAt <= Self.pingTimeout }
    if hasOpenStreams, now - heardAt > pingAfter {
      pingedAt = now
      nghttp2_submit_ping(session, HTTP2.noFlags, nil)
      stream.wantsToGather()
    }
    return true
  }
}

enum HTTP2 {
  static let noFlags = UInt8(NGHTTP2_FLAG_NONE.rawValue)
  static let endStream = UInt8(NGHTTP2_FLAG_END_STREAM.rawValue)
  static let success: Int32 = 0
}

/// What nghttp2 is given to call, made once for all connections.
private enum HTTP2Callbacks {
  /// CONTINUATION frames behind one HEADERS.
  private static let continuationLimit = 8
  /// Answers to pings and settings that the other side has not fetched.
  private static let acknowledgementLimit = 500
  private static let settingsLimit = 32
  /// Streams that a client may break off at once, and then in a second.
  private static let resetBurst: UInt64 = 1_000
  private static let resetRate: UInt64 = 100

  static var options: OpaquePointer { VirtualTime.isOn ? virtualOptions : usualOptions }
  nonisolated(unsafe) private static let usualOptions = makeOptions(resetBurst, resetRate)
  /// nghttp2 looks at the system's clock, which says nothing here.
  nonisolated(unsafe) private static let virtualOptions = makeOptions(.max, .max)

  private static func makeOptions(_ resetBurst: UInt64, _ resetRate: UInt64) -> OpaquePointer {
    var options: OpaquePointer?
    nghttp2_option_new(&options)
    nghttp2_option_set_no_auto_window_update(options, 1)
    nghttp2_option_set_no_closed_streams(options, 1)
    nghttp2_option_set_max_continuations(options, continuationLimit)
    nghttp2_option_set_max_outbound_ack(options, acknowledgementLimit)
    nghttp2_option_set_max_settings(options, settingsLimit)
    nghttp2_option_set_stream_reset_rate_limit(options, resetBurst, resetRate)
    return options!
  }

  @inline(__always)
  private static func with<R>(_ own: UnsafeMutableRawPointer?, _ body: (HTTP2Connection) -> R) -> R {
    Unmanaged<HTTP2Connection>.fromOpaque(own!)._withUnsafeGuaranteedRef(body)
  }

  nonisolated(unsafe) static let table: OpaquePointer = {
    var table: OpaquePointer?
    nghttp2_session_callbacks_new(&table)
    setInput(table)
    nghttp2_session_callbacks_set_send_data_callback(table) { _, _, header, length, source, own in
      let flow = Unmanaged<HTTP2Flow>.fromOpaque(source!.pointee.ptr)
      return flow._withUnsafeGuaranteedRef { flow in
        HTTP2Callbacks.with(own) { $0.sendData(flow, header!, length) }
        return HTTP2.success
      }
    }
    nghttp2_session_callbacks_set_on_frame_send_callback(table) { _, frame, own in
      HTTP2Callbacks.with(own) { $0.frameSent(frame!.pointee.hd) }
      return HTTP2.success
    }
    nghttp2_session_callbacks_set_on_stream_close_callback(table) { session, id, code, own in
      HTTP2Callbacks.with(own) { connection in _ = connection.withFlow(id) { connection.closed($0, code) } }
      return HTTP2.success
    }
    return table!
  }()

  private static func setInput(_ table: OpaquePointer?) {
    nghttp2_session_callbacks_set_on_begin_frame_callback(table) { _, header, own in
      HTTP2Callbacks.with(own) { $0.frameBegins(header!.pointee) }
      return HTTP2.success
    }
    nghttp2_session_callbacks_set_on_begin_headers_callback(table) { _, frame, own in
      HTTP2Callbacks.with(own) { $0.headBegins(frame!.pointee.hd.stream_id, frame!.pointee.headers.cat) }
    }
    nghttp2_session_callbacks_set_on_header_callback(table) { _, _, name, nameLength, value, valueLength, _, own in
      let name = UnsafeRawBufferPointer(start: name, count: nameLength)
      let value = UnsafeRawBufferPointer(start: value, count: valueLength)
      return HTTP2Callbacks.with(own) {
        $0.field(name, value)
        return $0.isFlooded ? NGHTTP2_ERR_CALLBACK_FAILURE.rawValue : HTTP2.success
      }
    }
    nghttp2_session_callbacks_set_on_frame_recv_callback(table) { _, frame, own in
      HTTP2Callbacks.with(own) { $0.received(frame!.pointee) }
      return HTTP2.success
    }
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(table) { _, _, id, bytes, length, own in
      HTTP2Callbacks.with(own) { connection in
        let piece = UnsafeRawBufferPointer(start: bytes, count: length)
        if !connection.withFlow(id, { connection.data($0, piece) }) { connection.used(length) }
      }
      return HTTP2.success
    }
  }
}
