/// What the fields of an HTTP/1.1 head mean for the connection (RFC 9112, 6.3 and 9.3).
extension MessageHead {
  func understandRequest() throws(HTTPRefusal) {
    let meaning = try gatherMeaning()
    guard meaning.hosts == 1 || (meaning.hosts == 0 && isHTTP10) else {
      throw HTTPRefusal(400, "a request has one Host header")
    }
    try frameRequest(meaning)
    keepsAlive = isHTTP10 ? meaning.saysKeepAlive && !meaning.saysClose : !meaning.saysClose
    if let expectation = meaning.expectation, !isHTTP10 {
      guard equalsIgnoringCase(expectation, "100-continue") else {
        throw HTTPRefusal(417, "the only expectation is 100-continue")
      }
      expectsContinue = framing != .none
    }
    try understandTarget()
  }

  private func frameRequest(_ meaning: Meaning) throws(HTTPRefusal) {
    guard let coding = meaning.coding else {
      if let length = meaning.length, length > 0 { framing = .length(length) }
      return
    }
    guard meaning.length == nil else {
      throw HTTPRefusal(400, "Content-Length and Transfer-Encoding exclude each other")
    }
    guard !isHTTP10 else { throw HTTPRefusal(400, "HTTP/1.0 has no Transfer-Encoding") }
    guard meaning.codings == 1, equalsIgnoringCase(coding, "chunked") else {
      throw HTTPRefusal(501, "the only transfer coding is chunked")
    }
    framing = .chunked
  }

  /// How the body ends, unless the request was a HEAD.
  func understandResponse() throws(HTTPRefusal) {
    let meaning = try gatherMeaning()
    keepsAlive = isHTTP10 ? meaning.saysKeepAlive && !meaning.saysClose : !meaning.saysClose
    if status < 200 || status == 204 || status == 304 { return }
    if let coding = meaning.coding {
      guard meaning.codings == 1, equalsIgnoringCase(coding, "chunked"), meaning.length == nil, !isHTTP10 else {
        throw HTTPRefusal(502, "the answer's body is coded in a way that is not understood")
      }
      framing = .chunked
    } else if let length = meaning.length {
      framing = length > 0 ? .length(length) : .none
    } else {
      framing = .untilClosed
      keepsAlive = false
    }
  }

  private struct Meaning {
    var length: Int?
    var coding: Part?
    var codings = 0
    var hosts = 0
    var saysClose = false
    var saysKeepAlive = false
    var expectation: Part?
  }

  private func gatherMeaning() throws(HTTPRefusal) -> Meaning {
    var meaning = Meaning()
    for place in fields.indices {
      let field = fields[place]
      switch field.name.count {
      case 4 where equals(field.name, "host"):
        meaning.hosts += 1
        authority = field.value
      case 6 where equals(field.name, "expect"): meaning.expectation = field.value
      case 10 where equals(field.name, "connection"):
        forEachMember(field.value) { member in
          if equalsIgnoringCase(member, "close") { meaning.saysClose = true }
          if equalsIgnoringCase(member, "keep-alive") { meaning.saysKeepAlive = true }
        }
      case 14 where equals(field.name, "content-length"): try readLength(field.value, &meaning.length)
      case 17 where equals(field.name, "transfer-encoding"):
        meaning.codings += 1
        meaning.coding = field.value
      default: break
      }
    }
    return meaning
  }

  /// What Content-Length says, for versions of HTTP that do not need it.
  package func contentLength() throws(HTTPRefusal) -> Int? {
    guard let value = value("content-length") else { return nil }
    var length: Int?
    try readLength(value, &length)
    return length
  }

  /// HTTP/2 may send each cookie in a field of its own (RFC 9113, 8.2.3).
  package func joinCookies() {
    let cookies = fields.filter { equals($0.name, "cookie") }
    guard cookies.count > 1 else { return }
    let joined = Array(cookies.map { Array(bytes($0.value)) }.joined(separator: Array("; ".utf8)))
    fields.removeAll { equals($0.name, "cookie") }
    addField(cookies[0].name, joined.withUnsafeBytes { add($0) })
  }

  /// One length and no list, not even of equal numbers: RFC 9112, 6.3 leaves that to each reader, so two could differ.
  private func readLength(_ value: Part, _ length: inout Int?) throws(HTTPRefusal) {
    guard length == nil else { throw HTTPRefusal(400, "Content-Length is given twice") }
    guard value.count > 0 else { throw HTTPRefusal(400, "Content-Length is not a number") }
    var number = 0
    for byte in bytes(value) {
      guard HTTPByte.isDigit(byte) else { throw HTTPRefusal(400, "Content-Length is not a number") }
      guard value.count <= HTTPLimits.lengthDigits else {
        throw HTTPRefusal(413, "Content-Length is no number that can be met")
      }
      number = number * 10 + Int(byte - 0x30)
    }
    length = number
  }

  /// The members of a list, between commas and without the space around them.
  package func forEachMember(_ list: Part, _ body: (Part) -> Void) {
    var start = Int(list.start)
    let end = start + Int(list.count)
    while start <= end {
      var next = start
      while next < end, text[next] != UInt8(ascii: ",") { next += 1 }
      var (first, last) = (start, next)
      while first < last, text[first] == 0x20 || text[first] == 0x09 { first += 1 }
      while last > first, text[last - 1] == 0x20 || text[last - 1] == 0x09 { last -= 1 }
      if list.count > 0 { body(Part(first, last - first)) }
      start = next + 1
    }
  }

  /// `words` is in lower case.
  package func equalsIgnoringCase(_ part: Part, _ words: StaticString) -> Bool {
    equalsIgnoringCase(part, UnsafeRawBufferPointer(start: words.utf8Start, count: words.utf8CodeUnitCount))
  }

  /// `other` is in lower case.
  package func equalsIgnoringCase(_ part: Part, _ other: UnsafeRawBufferPointer) -> Bool {
    guard Int(part.count) == other.count else { return false }
    let own = text + Int(part.start)
    for place in 0..<Int(part.count) {
      let byte = (0x41...0x5A).contains(own[place]) ? own[place] | 0x20 : own[place]
      if byte != other[place] { return false }
    }
    return true
  }
}
