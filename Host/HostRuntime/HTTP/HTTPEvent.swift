import CNodeABI
import HostCore

/// An nh_http_event in the making.
struct HTTPEvent {
  var kind: UInt32
  var status: nh_status = NH_OK
  var exchange: UInt64
  var token: UInt64
  var head: MessageHead?
  var captures: [(name: String, value: MessageHead.Part)] = []
  var remote: Remote?
  var isSecure = false
  var ends = false
  var body = UnsafeRawBufferPointer(start: nil, count: 0)
  var message = ""

  /// Lends it for the time of a call.
  func lend(_ callback: (UnsafePointer<nh_http_event>) -> Void) {
    var event = nh_http_event()
    event.struct_size = UInt32(MemoryLayout<nh_http_event>.size)
    event.revision = NH_ABI_REVISION
    event.kind = kind
    event.status = status
    event.exchange = exchange
    event.token = token
    event.body = nh_bytes(ptr: body.baseAddress?.assumingMemoryBound(to: UInt8.self), len: UInt64(body.count))
    guard !message.isEmpty else { return lendHead(&event, callback) }
    BorrowedText.with(message) { words in
      event.message = words
      lendHead(&event, callback)
    }
  }

  private func lendHead(_ event: inout nh_http_event, _ callback: (UnsafePointer<nh_http_event>) -> Void) {
    guard let head else { return callback(&event) }
    var lent = nh_http_head()
    lent.struct_size = UInt32(MemoryLayout<nh_http_head>.size)
    lent.revision = NH_ABI_REVISION
    lent.method = head.borrowed(head.method)
    lent.authority = head.borrowed(head.authority)
    lent.path = head.borrowed(head.path)
    lent.query = head.borrowed(head.query)
    lent.status = UInt32(head.status)
    lent.ends = ends ? 1 : 0
    let scheme: StaticString = isSecure ? "https" : "http"
    lent.scheme = nh_str(
      ptr: UnsafeRawPointer(scheme.utf8Start).assumingMemoryBound(to: CChar.self),
      len: UInt64(scheme.utf8CodeUnitCount))
    head.withPairs { headers in
      lent.headers = headers
      withCaptures(head) { captures in
        lent.captures = captures
        withRemote { remote in
          lent.remote = remote
          withUnsafePointer(to: lent) { lent in
            event.head = lent
            callback(&event)
          }
        }
      }
    }
  }

  private func withRemote(_ body: (nh_str) -> Void) {
    guard let remote else { return body(nh_str(ptr: nil, len: 0)) }
    remote.text.withUnsafeBytes {
      body(nh_str(ptr: $0.baseAddress?.assumingMemoryBound(to: CChar.self), len: UInt64($0.count)))
    }
  }

  private func withCaptures(_ head: MessageHead, _ body: (nh_pair_list) -> Void) {
    guard !captures.isEmpty else { return body(nh_pair_list(items: nil, count: 0)) }
    withCaptures(head, captures[...], []) { pairs in
      pairs.withUnsafeBufferPointer { body(nh_pair_list(items: $0.baseAddress, count: UInt64($0.count))) }
    }
  }

  /// Each name is lent while the rest is.
  private func withCaptures(
    _ head: MessageHead, _ rest: ArraySlice<(name: String, value: MessageHead.Part)>, _ pairs: [nh_pair],
    _ body: ([nh_pair]) -> Void
  ) {
    guard let first = rest.first else { return body(pairs) }
    BorrowedText.with(first.name) { name in
      let pair = nh_pair(name: name, value: head.borrowed(first.value))
      withCaptures(head, rest.dropFirst(), pairs + [pair], body)
    }
  }
}
