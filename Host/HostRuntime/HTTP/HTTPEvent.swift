import CNodeABI
import HostCore

/// Lends a role what an nh_http_event points to, for the time of a call. Nothing is copied or counted for it.
enum HTTPEvent {
  static var noBody: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }

  /// A piece of a body, or news without a head.
  static func lend(
    _ kind: UInt32, exchange: UInt64, token: UInt64, status: nh_status = NH_OK, body: UnsafeRawBufferPointer = noBody,
    message: String = "", _ callback: (UnsafeMutablePointer<nh_http_event>) -> Void
  ) {
    var event = nh_http_event()
    event.struct_size = UInt32(MemoryLayout<nh_http_event>.size)
    event.revision = NH_ABI_REVISION
    event.kind = kind
    event.status = status
    event.exchange = exchange
    event.token = token
    event.body = nh_bytes(ptr: body.baseAddress?.assumingMemoryBound(to: UInt8.self), len: UInt64(body.count))
    if message.isEmpty { return callback(&event) }
    BorrowedText.with(message) { words in
      event.message = words
      callback(&event)
    }
  }

  /// A head: of a request, with what surrounds it, of a response, or of trailers.
  static func lend(
    _ kind: UInt32, exchange: UInt64, token: UInt64, head: MessageHead, captures: [RouteTable.Capture] = [],
    remote: nh_str = nh_str(ptr: nil, len: 0), isSecure: Bool = false, ends: Bool = false,
    _ callback: (UnsafeMutablePointer<nh_http_event>) -> Void
  ) {
    var lent = nh_http_head()
    lent.struct_size = UInt32(MemoryLayout<nh_http_head>.size)
    lent.revision = NH_ABI_REVISION
    lent.method = head.borrowed(head.method)
    lent.authority = head.borrowed(head.authority)
    lent.path = head.borrowed(head.path)
    lent.query = head.borrowed(head.query)
    lent.status = UInt32(head.status)
    lent.remote = remote
    lent.ends = ends ? 1 : 0
    let scheme: StaticString = isSecure ? "https" : "http"
    lent.scheme = nh_str(
      ptr: UnsafeRawPointer(scheme.utf8Start).assumingMemoryBound(to: CChar.self),
      len: UInt64(scheme.utf8CodeUnitCount))
    head.withPairs { headers in
      lent.headers = headers
      withCaptures(head, captures) { captures in
        lent.captures = captures
        withUnsafePointer(to: lent) { lent in
          lend(kind, exchange: exchange, token: token) { event in
            event.pointee.head = lent
            callback(event)
          }
        }
      }
    }
  }

  @inline(__always)
  private static func withCaptures(
    _ head: MessageHead, _ captures: [RouteTable.Capture], _ body: (nh_pair_list) -> Void
  ) {
    if captures.isEmpty { return body(nh_pair_list(items: nil, count: 0)) }
    withCaptures(head, captures[...], []) { pairs in
      pairs.withUnsafeBufferPointer { body(nh_pair_list(items: $0.baseAddress, count: UInt64($0.count))) }
    }
  }

  /// Each name is lent while the rest is.
  private static func withCaptures(
    _ head: MessageHead, _ rest: ArraySlice<RouteTable.Capture>, _ pairs: [nh_pair], _ body: ([nh_pair]) -> Void
  ) {
    guard let first = rest.first else { return body(pairs) }
    BorrowedText.with(first.name) { name in
      let pair = nh_pair(name: name, value: head.borrowed(first.value))
      withCaptures(head, rest.dropFirst(), pairs + [pair], body)
    }
  }
}
