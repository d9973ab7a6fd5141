/// Reads the head of an HTTP/1.1 message, each byte once, strictly by RFC 9112: where two readers could understand a
/// message differently, it is refused.
///
/// The bytes of an unfinished head are offered again from their beginning, with more behind them.
package struct HTTP1HeadReader: Sendable {
  package enum Kind: Sendable {
    case request, response
    /// The fields behind a chunked body, which have no first line.
    case trailers
  }

  private let kind: Kind
  private let limits: HeadLimits
  // Asked for once: each time costs a look whether they have been made.
  nonisolated(unsafe) private let names = HTTP1Bytes.name
  /// Whole lines end here.
  private var place = 0
  private var hasStartLine = false
  /// One empty line before a request is passed over, as old clients send one after a body.
  private var passedEmptyLine = false

  package init(_ kind: Kind, limits: HeadLimits = HeadLimits()) {
    self.kind = kind
    self.limits = limits
  }

  /// How many bytes the head had, or nil if it is not whole yet. Names are put into lower case where they lie.
  package mutating func read(_ bytes: UnsafeMutableRawBufferPointer, into head: MessageHead) throws(HTTPRefusal)
    -> Int?
  {
    guard let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self) else { return nil }
    let end = bytes.count
    if !hasStartLine, kind != .trailers {
      guard try readStartLine(base, end, head) else { return nil }
    }
    while true {
      guard let next = try readLine(base, end, head) else {
        guard end <= limits.head else { throw tooLarge }
        return nil
      }
      if next == place + 2 { return try finish(base, next, head) }
      place = next
      guard place <= limits.head else { throw tooLarge }
    }
  }

  /// For the next message on the same connection.
  package mutating func reset() {
    place = 0
    hasStartLine = false
    passedEmptyLine = false
  }

  private var tooLarge: HTTPRefusal { HTTPRefusal(431, "the headers are larger than \(limits.head) bytes") }

  // MARK: Header lines

  /// Where the line's successor begins, or nil if the line is not whole. An empty line is two bytes long.
  private func readLine(_ base: UnsafeMutablePointer<UInt8>, _ end: Int, _ head: MessageHead) throws(HTTPRefusal)
    -> Int?
  {
    guard place < end else { return nil }
    if base[place] == HTTP1Bytes.carriageReturn {
      guard place + 1 < end else { return nil }
      guard base[place + 1] == HTTP1Bytes.lineFeed else { throw Self.bareReturn }
      return place + 2
    }
    var at = place
    while at < end, names[Int(base[at])] != 0 {
      base[at] = names[Int(base[at])]
      at += 1
    }
    guard at < end else { return nil }
    guard base[at] == UInt8(ascii: ":"), at > place else { throw Self.badName(base[at], isFirst: at == place) }
    let name = MessageHead.Part(place, at - place)
    at += 1
    while at < end, base[at] == HTTP1Bytes.space || base[at] == HTTP1Bytes.tab { at += 1 }
    let start = at
    at = HTTP1Bytes.endOfValue(base, at, end)
    guard let next = try lineEnd(base, at, end) else { return nil }
    while at > start, base[at - 1] == HTTP1Bytes.space || base[at - 1] == HTTP1Bytes.tab { at -= 1 }
    guard head.fields.count < limits.fields else {
      throw HTTPRefusal(431, "there are more than \(limits.fields) headers")
    }
    head.addField(name, MessageHead.Part(start, at - start))
    return next
  }

  /// Behind the CR LF at `at`.
  private func lineEnd(_ base: UnsafeMutablePointer<UInt8>, _ at: Int, _ end: Int) throws(HTTPRefusal) -> Int? {
    guard at < end else { return nil }
    switch base[at] {
    case HTTP1Bytes.carriageReturn:
      guard at + 1 < end else { return nil }
      guard base[at + 1] == HTTP1Bytes.lineFeed else { throw Self.bareReturn }
      return at + 2
    case HTTP1Bytes.lineFeed: throw HTTPRefusal(400, "a line ends in LF alone; lines end in CR LF")
    default: throw HTTPRefusal(400, "a header's value has a control character")
    }
  }

  private static let bareReturn = HTTPRefusal(400, "there is a CR without LF")

  private static func badName(_ byte: UInt8, isFirst: Bool) -> HTTPRefusal {
    switch byte {
    case HTTP1Bytes.lineFeed where isFirst: HTTPRefusal(400, "a line ends in LF alone; lines end in CR LF")
    case HTTP1Bytes.carriageReturn, HTTP1Bytes.lineFeed: HTTPRefusal(400, "a header line has no colon")
    case HTTP1Bytes.space, HTTP1Bytes.tab:
      isFirst
        ? HTTPRefusal(400, "a header line is folded; write it on one line")
        : HTTPRefusal(400, "there is a space before a header's colon")
    default: HTTPRefusal(400, "a header's name has a character that names do not have")
    }
  }

  // MARK: The first line

  private mutating func readStartLine(
    _ base: UnsafeMutablePointer<UInt8>, _ end: Int, _ head: MessageHead
  ) throws(HTTPRefusal) -> Bool {
    if kind == .request, !passedEmptyLine, end >= place + 2, base[place] == HTTP1Bytes.carriageReturn,
      base[place + 1] == HTTP1Bytes.lineFeed
    {
      passedEmptyLine = true
      place += 2
    }
    let at = HTTP1Bytes.endOfText(base, place, end)
    guard at - place <= limits.line else {
      throw kind == .request
        ? HTTPRefusal(414, "the request line is longer than \(limits.line) bytes")
        : HTTPRefusal(502, "the status line is longer than \(limits.line) bytes")
    }
    guard at < end else { return false }
    guard let next = try lineEnd(base, at, end) else { return false }
    switch kind {
    case .request: try readRequestLine(base, at, head)
    case .response: try readStatusLine(base, at, head)
    case .trailers: break
    }
    place = next
    hasStartLine = true
    return true
  }

  private func readRequestLine(_ base: UnsafeMutablePointer<UInt8>, _ end: Int, _ head: MessageHead) throws(HTTPRefusal)
  {
    var at = place
    while at < end, names[Int(base[at])] != 0 { at += 1 }
    guard at > place, at < end, base[at] == HTTP1Bytes.space else {
      throw HTTPRefusal(400, "the request line is not METHOD TARGET VERSION")
    }
    head.method = MessageHead.Part(place, at - place)
    at += 1
    let start = at
    while at < end, base[at] != HTTP1Bytes.space { at += 1 }
    guard at > start, at + 9 == end else {
      throw HTTPRefusal(400, "the request line is not METHOD TARGET VERSION")
    }
    head.target = MessageHead.Part(start, at - start)
    head.isHTTP10 = try Self.version(base + at + 1) == 0
  }

  private func readStatusLine(_ base: UnsafeMutablePointer<UInt8>, _ end: Int, _ head: MessageHead) throws(HTTPRefusal)
  {
    let notHTTP = HTTPRefusal(502, "the answer is not HTTP/1.1")
    guard end - place >= 12, base[place + 8] == HTTP1Bytes.space else { throw notHTTP }
    head.isHTTP10 = try Self.version(base + place) == 0
    var status = 0
    for at in (place + 9)..<(place + 12) {
      guard HTTPByte.isDigit(base[at]) else { throw notHTTP }
      status = status * 10 + Int(base[at] - 0x30)
    }
    guard status >= 100, end == place + 12 || base[place + 12] == HTTP1Bytes.space else { throw notHTTP }
    head.status = status
  }

  /// The digit behind `HTTP/1.`.
  private static func version(_ at: UnsafeMutablePointer<UInt8>) throws(HTTPRefusal) -> Int {
    let word: StaticString = "HTTP/"
    for place in 0..<5 where at[place] != word.utf8Start[place] {
      throw HTTPRefusal(400, "the request line does not end in HTTP/1.1")
    }
    guard HTTPByte.isDigit(at[5]), at[6] == UInt8(ascii: "."), HTTPByte.isDigit(at[7]) else {
      throw HTTPRefusal(400, "the request line does not end in HTTP/1.1")
    }
    guard at[5] == UInt8(ascii: "1"), at[7] <= UInt8(ascii: "1") else {
      throw HTTPRefusal(505, "only HTTP/1.0, HTTP/1.1 and HTTP/2 are spoken here")
    }
    return Int(at[7] - 0x30)
  }

  // MARK: The whole head

  private mutating func finish(
    _ base: UnsafeMutablePointer<UInt8>, _ end: Int, _ head: MessageHead
  ) throws(HTTPRefusal) -> Int {
    // The parts count from the beginning of the bytes, and so will they in the copy.
    head.add(UnsafeRawBufferPointer(start: base, count: end))
    switch kind {
    case .request: try head.understandRequest()
    case .response: try head.understandResponse()
    case .trailers: break
    }
    reset()
    return end
  }
}
