import HostCore

/// Makes the head that goes to the upstream of the one that came: what speaks of one connection is left out, and who
/// asked, and how, is added.
enum ForwardHead {
  /// `added` is empty, and is used again for each request.
  static func request(
    for exchange: ServerExchange, _ table: ForwardTable, _ upstream: ForwardTable.Upstream, adding added: MessageHead,
    _ numbers: inout FastNumbers
  ) -> ClientRequest {
    let head = exchange.head
    var request = ClientRequest(head)
    request.framing = head.framing
    request.leaveOutConnectionFields()
    let marks = leaveOutForwarding(&request)
    addSource(exchange, marks.forwardedFor, to: added)
    added.addField(added.add("x-forwarded-proto"), exchange.isSecure ? added.add("https") : added.add("http"))
    if head.authority.count > 0 {
      added.addField(added.add("x-forwarded-host"), added.add(head.bytes(head.authority)))
    }
    addTrace(head, marks.trace, to: added, &numbers)
    if table.host == .upstream || head.authority.count == 0 { added.authority = added.add(upstream.url.authority) }
    if head.hadDots { added.target = escapedTarget(head, added) }
    request.added = added
    return request
  }

  /// The fields that stand there already and are written anew.
  private static func leaveOutForwarding(_ request: inout ClientRequest) -> (
    forwardedFor: MessageHead.Part?, trace: MessageHead.Part?
  ) {
    let head = request.head
    var source: MessageHead.Part?
    var trace: MessageHead.Part?
    head.forEachField { place, field in
      switch field.name.count {
      case 2 where head.equals(field.name, "te"): request.takesTrailers = head.equals(field.value, "trailers")
      case 11 where head.equals(field.name, "traceparent"): trace = field.value
      case 15 where head.equals(field.name, "x-forwarded-for"): source = field.value
      case 16 where head.equals(field.name, "x-forwarded-host"): break
      case 17 where head.equals(field.name, "x-forwarded-proto"): break
      default: return
      }
      request.leftOut.insert(place)
    }
    return (source, trace)
  }

  private static func addSource(_ exchange: ServerExchange, _ before: MessageHead.Part?, to added: MessageHead) {
    let name = added.add("x-forwarded-for")
    let start = added.used
    if let before, before.count > 0 {
      added.add(exchange.head.bytes(before))
      _ = added.add(", ")
    }
    added.add(exchange.remote.host)
    added.addField(name, MessageHead.Part(start, added.used - start))
  }

  /// W3C Trace Context: the client's trace goes on under a new parent, or one begins, which nobody is asked to record.
  private static func addTrace(
    _ head: MessageHead, _ given: MessageHead.Part?, to added: MessageHead, _ numbers: inout FastNumbers
  ) {
    let name = added.add("traceparent")
    let start = added.used
    if let given, isTrace(head.bytes(given)) {
      let value = head.bytes(given)
      added.add(UnsafeRawBufferPointer(rebasing: value[..<36]))
      added.add(hexadecimal: numbers.next())
      added.add(UnsafeRawBufferPointer(rebasing: value[52..<55]))
    } else {
      _ = added.add("00-")
      added.add(hexadecimal: numbers.next())
      added.add(hexadecimal: numbers.next())
      _ = added.add("-")
      added.add(hexadecimal: numbers.next())
      _ = added.add("-00")
    }
    added.addField(name, MessageHead.Part(start, added.used - start))
  }

  /// "00-" 32 digits "-" 16 digits "-" 2 digits.
  private static func isTrace(_ value: UnsafeRawBufferPointer) -> Bool {
    guard value.count == 55, value[0] == UInt8(ascii: "0"), value[1] == UInt8(ascii: "0") else { return false }
    var hasTrace = false
    for place in 2..<55 {
      switch place {
      case 2, 35, 52: if value[place] != UInt8(ascii: "-") { return false }
      default:
        guard (0x30...0x39).contains(value[place]) || (0x61...0x66).contains(value[place]) else { return false }
        if place < 35, value[place] != UInt8(ascii: "0") { hasTrace = true }
      }
    }
    return hasTrace
  }

  /// The path without `.` and `..`, as the routes saw it, with what may not stand in a target escaped again.
  private static func escapedTarget(_ head: MessageHead, _ added: MessageHead) -> MessageHead.Part {
    let start = added.used
    for byte in head.bytes(head.path) { added.add(escaped: byte) }
    if head.query.count > 0 {
      _ = added.add("?")
      added.add(head.bytes(head.query))
    }
    return MessageHead.Part(start, added.used - start)
  }
}

extension MessageHead {
  func add(hexadecimal number: UInt64) {
    withUnsafeTemporaryAllocation(byteCount: 16, alignment: 1) { digits in
      for place in 0..<16 {
        let digit = UInt8(truncatingIfNeeded: number >> UInt64(60 - 4 * place) & 15)
        digits[place] = digit < 10 ? 0x30 + digit : 0x57 + digit
      }
      _ = add(UnsafeRawBufferPointer(digits))
    }
  }

  /// A byte of a path (RFC 3986, 3.3).
  fileprivate func add(escaped byte: UInt8) {
    let isPlain =
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
      default: "-._~!$&'()*+,;=:@/".utf8.contains(byte)
      }
    withUnsafeTemporaryAllocation(byteCount: 3, alignment: 1) { text in
      text[0] = isPlain ? byte : UInt8(ascii: "%")
      for (place, digit) in [byte >> 4, byte & 15].enumerated() {
        text[place + 1] = digit < 10 ? 0x30 + digit : 0x37 + digit
      }
      _ = add(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(text).prefix(isPlain ? 1 : 3)))
    }
  }
}
