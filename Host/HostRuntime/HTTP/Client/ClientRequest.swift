import HostCore

/// The head of a request to another server: perhaps that of a request which came from elsewhere, without the fields
/// that are left out and with those that are added. Nothing is copied until it is written to the wire.
struct ClientRequest {
  var head: MessageHead
  /// Fields of `head` that are not sent, by their place.
  var leftOut = FieldSet()
  /// Fields that are sent besides; its authority and target, if it has them, stand in place of the head's.
  var added: MessageHead?
  /// `chunked` stands for any body whose length is not known beforehand.
  var framing = MessageHead.Framing.none
  /// Said over HTTP/2 only, where gRPC wants to hear it; in HTTP/1.1 it would speak of one connection.
  var takesTrailers = false

  init(_ head: MessageHead) { self.head = head }

  var method: UnsafeRawBufferPointer { uncounted(head) { $0.bytes($0.method) } }

  var authority: UnsafeRawBufferPointer {
    if let added, added.authority.count > 0 { return uncounted(added) { $0.bytes($0.authority) } }
    return uncounted(head) { $0.bytes($0.authority) }
  }

  /// Path and query, escaped.
  var target: UnsafeRawBufferPointer {
    if let added, added.target.count > 0 { return uncounted(added) { $0.bytes($0.target) } }
    return uncounted(head) { $0.bytes($0.target) }
  }

  /// Each field that is sent besides those that the wire itself makes of authority and framing. Names are in lower
  /// case.
  @inline(__always)
  func forEachField(_ body: (_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Void) {
    uncounted(head) { head in
      head.forEachField { place, field in
        if !leftOut.contains(place) { body(head.bytes(field.name), head.bytes(field.value)) }
      }
    }
    guard let added else { return }
    uncounted(added) { added in
      added.forEachField { _, field in body(added.bytes(field.name), added.bytes(field.value)) }
    }
  }

  /// Leaves out what speaks of one connection only, and what the wire writes itself.
  mutating func leaveOutConnectionFields() { leftOut.insertConnectionFields(of: head, isRequest: true) }

  /// Whether doing it twice is the same as doing it once (RFC 9110, 9.2.2).
  var isIdempotent: Bool {
    for method: StaticString in ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"]
    where head.equals(head.method, method) { return true }
    return false
  }
}

/// Places of fields in a head.
struct FieldSet {
  /// Heads have at most so many fields.
  static let limit = 128
  private var low: UInt64 = 0
  private var high: UInt64 = 0

  @inline(__always)
  func contains(_ place: Int) -> Bool {
    place < 64 ? low >> UInt64(place) & 1 != 0 : high >> UInt64(place &- 64) & 1 != 0
  }

  @inline(__always)
  mutating func insert(_ place: Int) {
    if place < 64 { low |= 1 << UInt64(place) } else { high |= 1 << UInt64(place &- 64) }
  }

  /// Those that are not handed on from one connection to the next (RFC 9110, 7.6.1), with what "connection" names.
  mutating func insertConnectionFields(of head: MessageHead, isRequest: Bool) {
    head.forEachField { place, field in
      guard Self.isOfConnection(field, head, isRequest) else { return }
      insert(place)
      if field.name.count == 10 { insertNamed(by: field.value, in: head) }
    }
  }

  private static func isOfConnection(_ field: MessageHead.Field, _ head: MessageHead, _ isRequest: Bool) -> Bool {
    let name = field.name
    switch name.count {
    case 2: return isRequest && head.equals(name, "te")
    case 4: return isRequest && head.equals(name, "host")
    case 6: return isRequest && head.equals(name, "expect")
    case 7: return head.equals(name, "upgrade") || head.equals(name, "trailer")
    case 10: return head.equals(name, "connection") || head.equals(name, "keep-alive")
    case 14: return head.equals(name, "content-length")
    case 16: return head.equals(name, "proxy-connection")
    case 17: return head.equals(name, "transfer-encoding")
    case 19: return isRequest && head.equals(name, "proxy-authorization")
    default: return false
    }
  }

  private mutating func insertNamed(by list: MessageHead.Part, in head: MessageHead) {
    head.forEachMember(list) { member in
      head.forEachField { place, field in
        if head.equalsIgnoringCase(member, head.bytes(field.name)) { insert(place) }
      }
    }
  }
}
