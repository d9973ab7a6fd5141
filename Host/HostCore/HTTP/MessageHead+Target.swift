/// What a request asks for (RFC 9112, 3.2).
extension MessageHead {
  /// Finds authority, path and query in the target.
  package func understandTarget() throws(HTTPRefusal) {
    var start = Int(target.start)
    let end = start + Int(target.count)
    let kinds = HTTP1Bytes.inTarget
    var seen: UInt8 = 0
    var previous: UInt8 = 0
    for place in start..<end {
      let byte = text[place]
      seen |= kinds[Int(byte)]
      if byte == UInt8(ascii: "."), previous == UInt8(ascii: "/") { seen |= HTTP1Bytes.decodedInTarget }
      previous = byte
    }
    guard seen & HTTP1Bytes.neverInTarget == 0 else {
      throw HTTPRefusal(400, "the target has a character that must be escaped")
    }
    if equals(method, "CONNECT") { throw HTTPRefusal(501, "this is no proxy to connect through") }
    if equals(target, "*"), equals(method, "OPTIONS") {
      path = target
      return
    }
    if text[start] != UInt8(ascii: "/") { start = try readAuthority(start, end) }
    var questionMark = start
    while questionMark < end, text[questionMark] != UInt8(ascii: "?") { questionMark += 1 }
    if questionMark < end { query = Part(questionMark + 1, end - questionMark - 1) }
    path = Part(start, questionMark - start)
    if seen & HTTP1Bytes.decodedInTarget != 0, needsDecoding(path) { try decodePath() }
  }

  /// `http://host` before the path: it counts, and not the Host header. Returns where the path begins.
  private func readAuthority(_ start: Int, _ end: Int) throws(HTTPRefusal) -> Int {
    var at = start
    for scheme: StaticString in ["http://", "https://"] {
      let count = scheme.utf8CodeUnitCount
      if end - start > count, equalsIgnoringCase(Part(start, count), scheme) { at = start + count }
    }
    guard at > start else { throw HTTPRefusal(400, "the target must begin with a slash") }
    let first = at
    while at < end, text[at] != UInt8(ascii: "/"), text[at] != UInt8(ascii: "?") { at += 1 }
    guard at > first else { throw HTTPRefusal(400, "the target names no host") }
    authority = Part(first, at - first)
    if at == end || text[at] != UInt8(ascii: "/") {
      // Nothing is behind the host, or only a query: the path is the root.
      let query = Part(at, end - at)
      let root = add("/" as StaticString)
      // Through an array: adding may move the text.
      let copy = Array(bytes(query)).withUnsafeBytes { add($0) }
      target = Part(Int(root.start), 1 + Int(copy.count))
      path = root
      if copy.count > 0 { self.query = Part(Int(copy.start) + 1, Int(copy.count) - 1) }
      return Int(root.start)
    }
    target = Part(at, end - at)
    return at
  }

  private func needsDecoding(_ path: Part) -> Bool {
    let end = Int(path.start + path.count)
    var place = Int(path.start)
    while place < end {
      if text[place] == UInt8(ascii: "%") { return true }
      if text[place] == UInt8(ascii: "/"), place + 1 < end, text[place + 1] == UInt8(ascii: ".") { return true }
      place += 1
    }
    return false
  }

  /// Puts the path, decoded and without dots, behind the rest of the text.
  private func decodePath() throws(HTTPRefusal) {
    let raw = path
    let start = used
    var place = Int(raw.start)
    let end = Int(raw.start + raw.count)
    while place < end {
      var byte = text[place]
      place += 1
      if byte == UInt8(ascii: "%") {
        guard place + 1 < end, let high = HTTPByte.hexValue(text[place]), let low = HTTPByte.hexValue(text[place + 1])
        else { throw HTTPRefusal(400, "the target has a % without two hexadecimal digits") }
        byte = UInt8(high << 4 | low)
        place += 2
        guard byte != 0 else { throw HTTPRefusal(400, "the target has a NUL") }
      }
      add(byte: byte)
    }
    path = Part(start, used - start)
    try removeDots()
    guard String(validating: bytes(path), as: UTF8.self) != nil else {
      throw HTTPRefusal(400, "the target is not UTF-8")
    }
  }

  /// Resolves `.` and `..` in place (RFC 3986, 5.2.4). A path that leaves the root is refused.
  private func removeDots() throws(HTTPRefusal) {
    let start = Int(path.start), end = start + Int(path.count)
    var read = start, write = start
    while read < end {
      // `read` is at a slash; the segment goes up to the next one.
      var next = read + 1
      while next < end, text[next] != UInt8(ascii: "/") { next += 1 }
      let length = next - read - 1
      let isDot = length == 1 && text[read + 1] == UInt8(ascii: ".")
      let isDots = length == 2 && text[read + 1] == UInt8(ascii: ".") && text[read + 2] == UInt8(ascii: ".")
      if isDot || isDots {
        hadDots = true
        if isDots {
          guard write > start else { throw HTTPRefusal(400, "the target leads out of the root") }
          repeat { write -= 1 } while text[write] != UInt8(ascii: "/")
        }
        // A dot at the end means the folder itself.
        if next == end {
          text[write] = UInt8(ascii: "/")
          write += 1
        }
      } else {
        for place in read..<next {
          text[write] = text[place]
          write += 1
        }
      }
      read = next
    }
    path = Part(start, write - start)
  }
}
