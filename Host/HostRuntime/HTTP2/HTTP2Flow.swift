import CHttp2
import CNodeABI
import HostCore

/// One stream of an HTTP/2 connection, as far as both sides are alike: what waits to be sent on it.
final class HTTP2Flow {
  /// More than this waiting, and who writes has to stop.
  static let highWater = 64 << 10
  static let lowWater = 16 << 10
  /// Less than this of newly granted body is not worth a frame, unless the other side has little left.
  static let leastGrant = 16 << 10

  /// Whether the other side is to be told of `owed` bytes that it may send beyond its `window`. A last single byte, by
  /// which every credit is larger than every stream's first window, only when nothing else would let it go on.
  static func isWorthGranting(_ owed: Int, window: Int) -> Bool {
    owed >= leastGrant || (window < leastGrant && owed > 1) || (window <= 0 && owed > 0)
  }

  /// The exchange that it belongs to, which owns it.
  var exchange: Unmanaged<AnyObject>!
  var id: Int32 = 0
  /// Where the connection keeps the exchange.
  var place = 0
  var output = ByteQueue()
  private(set) var trailers: MessageHead?
  /// Those that are constants of the host's.
  private var ownTrailers = nh_pair_list()
  private(set) var hasEnded = false
  /// nghttp2 has asked for bytes and there were none: it has to be told when there are.
  private(set) var isDeferred = false
  /// The head has been put into the socket's queue.
  var hasBegun = false
  /// When bytes last left or came.
  var watch = ProgressWatch()

  func reset() {
    id = 0
    output.removeAll()
    output.shrink(to: ByteQueue.leastCapacity)
    if trailers != nil { uncounted(trailers!) { $0.reset() } }
    ownTrailers = nh_pair_list()
    hasEnded = false
    isDeferred = false
    hasBegun = false
  }

  var isFull: Bool { output.count >= Self.highWater }

  func write(_ bytes: UnsafeRawBufferPointer, to session: OpaquePointer) {
    guard bytes.count > 0 else { return }
    output.append(bytes)
    wake(session)
  }

  func end(_ trailers: nh_pair_list, areOwn: Bool = false, to session: OpaquePointer) {
    if areOwn { ownTrailers = trailers } else if trailers.count > 0 { keep(trailers) }
    hasEnded = true
    wake(session)
  }

  private func keep(_ pairs: nh_pair_list) {
    if trailers == nil { trailers = MessageHead(capacity: 256) }
    uncounted(trailers!) { trailers in
      for pair in ResponseHead.pairs(pairs) where !ResponseHead.isTheHosts(pair.name) {
        trailers.addField(ResponseHead.bytes(pair.name), ResponseHead.bytes(pair.value))
      }
    }
  }

  private func wake(_ session: OpaquePointer) {
    guard isDeferred else { return }
    isDeferred = false
    nghttp2_session_resume_data(session, id)
  }

  /// Where nghttp2 gets the body from; the bytes themselves are copied by `HTTP2Connection.sendData`.
  var provider: nghttp2_data_provider {
    nghttp2_data_provider(source: nghttp2_data_source(ptr: Unmanaged.passUnretained(self).toOpaque())) {
      session, id, _, most, flags, source, _ in
      Unmanaged<HTTP2Flow>.fromOpaque(source!.pointee.ptr)._withUnsafeGuaranteedRef {
        $0.offer(session!, upTo: Int(most), flags!)
      }
    }
  }

  private func offer(_ session: OpaquePointer, upTo most: Int, _ flags: UnsafeMutablePointer<UInt32>) -> Int {
    let count = min(most, output.count)
    if count == 0, !hasEnded {
      isDeferred = true
      return Int(NGHTTP2_ERR_DEFERRED.rawValue)
    }
    flags.pointee |= NGHTTP2_DATA_FLAG_NO_COPY.rawValue
    guard hasEnded, count == output.count else { return count }
    flags.pointee |= NGHTTP2_DATA_FLAG_EOF.rawValue
    if ownTrailers.count > 0 {
      flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
      _ = HTTP2Fields.with(own: ownTrailers) { nghttp2_submit_trailer(session, id, $0.baseAddress, $0.count) }
    } else if let trailers, !trailers.fields.isEmpty {
      flags.pointee |= NGHTTP2_DATA_FLAG_NO_END_STREAM.rawValue
      _ = HTTP2Fields.with(trailers) { nghttp2_submit_trailer(session, id, $0.baseAddress, $0.count) }
    }
    return count
  }
}
