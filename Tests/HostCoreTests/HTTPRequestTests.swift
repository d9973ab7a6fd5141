import HostCore
import Testing

@Suite struct HTTPRequestTests {
  private func steps(_ text: String, pieces: Int = .max) -> [HTTPRequestParser.Step] {
    var parser = HTTPRequestParser()
    var steps: [HTTPRequestParser.Step] = []
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
      parser.feed(rest.prefix(pieces))
      rest = rest.dropFirst(pieces)
      while true {
        let step = parser.next()
        if step == .needMore { break }
        steps.append(step)
        if case .refuse = step { return steps }
      }
    }
    return steps
  }

  private func status(_ text: String) -> Int? {
    if case .refuse(let status, _)? = steps(text).last { return status }
    return nil
  }

  @Test(arguments: [1, 2, 3, 7, Int.max])
  func readsPipelinedRequestsInPieces(_ pieces: Int) throws {
    let text =
      "\r\nPOST /v1/a%2Fb/c?x=%C3%A9&y HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello"
      + "POST / HTTP/1.1\r\nHost:h\r\nTransfer-Encoding: Chunked\r\nConnection: Close\r\n\r\n"
      + "3;ext=1\r\nabc\r\n0A\r\n0123456789\r\n0\r\nX: y\r\n\r\n" + "GET / HTTP/1.0\r\n\r\n"
    let found = steps(text, pieces: pieces)
    try #require(found.count == 3)
    guard case .request(let first, let body) = found[0], case .request(let second, let chunks) = found[1],
      case .request(let third, _) = found[2]
    else { return #expect(Bool(false)) }
    #expect(first.path == ["v1", "a/b", "c"])
    #expect(first.query == [.init("x", "é"), .init("y", "")])
    #expect(first.keepAlive)
    #expect(body == Array("hello".utf8))
    #expect(chunks == Array("abc0123456789".utf8))
    #expect(!second.keepAlive)
    #expect(third.path == [] && !third.keepAlive)
  }

  @Test(arguments: [
    ("GET / HTTP/2.0\r\n", 505), ("GET / HTTP/1.2\r\n", 505), ("GET / http/1.1\r\n", 400), ("GET /\r\n", 400),
    ("GET  / HTTP/1.1\r\n", 400), ("G@T / HTTP/1.1\r\n", 400), ("GET / HTTP/1.1\nHost: x\n\n", 400),
    ("\r\n\r\nGET / HTTP/1.1\r\n", 400), ("GET a HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n\r\n", 400), ("GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost : x\r\n", 400), ("GET / HTTP/1.1\r\nA: b\r\n c\r\n", 400),
    ("GET / HTTP/1.1\r\nA b\r\n", 400), ("GET / HTTP/1.1\r\nA: \u{1}\r\n", 400), ("GET / HTTP/1.1\r\nA: b\rc\r\n", 400),
    ("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n", 400), ("GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("GET /%4 HTTP/1.1\r\nHost: x\r\n\r\n", 400), ("GET /%ff HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("GET /?a=%0 HTTP/1.1\r\nHost: x\r\n\r\n", 400), ("GET /#f HTTP/1.1\r\nHost: x\r\n\r\n", 400),
  ])
  func refuses(_ text: String, _ expected: Int) {
    #expect(status(text) == expected)
  }

  @Test(arguments: [
    ("Content-Length: 1\r\nTransfer-Encoding: chunked", 400), ("Content-Length: 1\r\nContent-Length: 2", 400),
    ("Content-Length: 1, 2", 400), ("Content-Length: +1", 400), ("Content-Length:", 400), ("Content-Length: 1,", 400),
    ("Content-Length: 8388609", 413), ("Content-Length: 99999999999999999999", 413),
    ("Transfer-Encoding: gzip", 501), ("Transfer-Encoding: gzip, chunked", 501), ("Transfer-Encoding:", 501),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 501), ("Transfer-Encoding: chun\u{212A}ed", 501),
    ("Expect: nonsense", 417),
  ])
  func refusesDoubtfulFraming(_ headers: String, _ expected: Int) {
    #expect(status("POST / HTTP/1.1\r\nHost: x\r\n\(headers)\r\n\r\n") == expected)
  }

  @Test func refusesChunksInOldVersionAndBrokenOnes() {
    #expect(status("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") == 400)
    let head = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    for (body, expected) in [
      ("x\r\n", 400), ("\r\n", 400), ("3\r\nabcd\r\n", 400), ("3\nabc", 400), ("3 x\r\n", 400),
      ("800001\r\n" + String(repeating: "a", count: 0x800001), 413), ("ffffffffffffffffff\r\n", 413),
      ("1;" + String(repeating: "x", count: 300), 400), ("0\r\n Folded: x\r\n\r\n", 400),
    ] { #expect(status(head + body) == expected, "\(body.prefix(20))") }
  }

  @Test func sameLengthTwiceIsOneLength() {
    let found = steps("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2, 2\r\nContent-Length: 02\r\n\r\nab")
    guard case .request(_, let body)? = found.first else { return #expect(Bool(false)) }
    #expect(body == Array("ab".utf8))
  }

  @Test func limitsHoldAtTheirEdge() {
    let path = String(repeating: "a", count: HTTPLimits.requestLine - "GET / HTTP/1.1".count)
    #expect(status("GET /\(path) HTTP/1.1\r\nHost: x\r\n\r\n") == nil)
    #expect(status("GET /\(path)a HTTP/1.1\r\nHost: x\r\n\r\n") == 414)
    #expect(status(String(repeating: "a", count: HTTPLimits.requestLine + 2)) == 414)
    let many = (1..<HTTPLimits.headerCount).map { "H\($0): x\r\n" }.joined()
    #expect(status("GET / HTTP/1.1\r\nHost: x\r\n\(many)\r\n") == nil)
    #expect(status("GET / HTTP/1.1\r\nHost: x\r\n\(many)More: x\r\n\r\n") == 431)
    let value = String(repeating: "v", count: HTTPLimits.headerBytes)
    #expect(status("GET / HTTP/1.1\r\nHost: x\r\nA: \(value)") == 431)
  }

  @Test func asksToContinueOnceAndOnlyBeforeTheBody() {
    var parser = HTTPRequestParser()
    let head = Array("POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-Continue\r\nContent-Length: 2\r\n\r\n".utf8)
    parser.feed(head)
    let first = parser.next()
    #expect(first == .needMore)
    let asked = parser.takeContinue(), askedAgain = parser.takeContinue()
    #expect(asked && !askedAgain)
    parser = HTTPRequestParser()
    parser.feed(head + [0x61])
    let second = parser.next(), askedLate = parser.takeContinue()
    #expect(second == .needMore && !askedLate)
    #expect(!parser.isIdle)
  }

  @Test func absoluteTargetIsTheSame() throws {
    #expect(try HTTPRequestHead(method: "GET", target: "HTTP://host:1/v1/x?a=b").path == ["v1", "x"])
    #expect(try HTTPRequestHead(method: "GET", target: "http://host?a=b").queryValue("a") == "b")
    #expect(try HTTPRequestHead(method: "GET", target: "/v1/").path == ["v1", ""])
  }

  @Test func staysRefused() {
    var parser = HTTPRequestParser()
    parser.feed(Array("x\r\n".utf8))
    let first = parser.next()
    parser.feed(Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
    let second = parser.next()
    #expect(second == first)
  }
}

@Suite struct HTTPResponseTests {
  private func read(_ bytes: [UInt8], pieces: Int = .max, toHead: Bool = false) -> (Int?, String, String?) {
    var parser = HTTPResponseParser(toHead: toHead)
    var rest = bytes[...]
    var status: Int?, body: [UInt8] = []
    while true {
      switch parser.next() {
      case .needMore:
        if rest.isEmpty { parser.finish() } else { parser.feed(rest.prefix(pieces)) }
        rest = rest.dropFirst(pieces)
      case .head(let head): status = head.status
      case .body(let piece): body += piece
      case .end: return (status, String(decoding: body, as: UTF8.self), nil)
      case .failed(let reason): return (status, String(decoding: body, as: UTF8.self), reason)
      }
    }
  }

  @Test(arguments: [1, 4, Int.max])
  func readsWhatTheWriterWrites(_ pieces: Int) {
    let whole = HTTPWriter.response(status: 404, body: .bytes(Array("{}\n".utf8)), keepAlive: true)
    #expect(read(whole, pieces: pieces) == (404, "{}\n", nil))
    let start = HTTPWriter.response(status: 200, body: .chunked, keepAlive: false)
    let chunks = HTTPWriter.chunk(Array("hello ".utf8)) + HTTPWriter.chunk([]) + HTTPWriter.chunk(Array("world".utf8))
    #expect(
      read(HTTPWriter.continueResponse + start + chunks + HTTPWriter.lastChunk, pieces: pieces) == (
        200, "hello world", nil
      ))
    let head = HTTPWriter.response(status: 200, body: .bytes([1, 2]), keepAlive: true, headOnly: true)
    #expect(read(head, pieces: pieces, toHead: true) == (200, "", nil))
  }

  @Test(arguments: [
    ("SSH-2.0\r\n", "the answer is not HTTP/1.1"),
    ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab", "the connection ended in the middle of the answer"),
    ("", "the connection ended in the middle of the answer"),
    (
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "the answer's body is coded in a way that is not understood"
    ),
  ])
  func saysWhatIsWrong(_ text: String, _ reason: String) {
    #expect(read(Array(text.utf8)).2 == reason)
  }

  @Test func bodyWithoutLengthEndsWithTheConnection() {
    #expect(read(Array("HTTP/1.0 200 OK\r\n\r\nall".utf8)) == (200, "all", nil))
  }

  @Test func headersCannotBeginLinesOfTheirOwn() {
    let bytes = HTTPWriter.request(method: "GET", target: "/x\r\nEvil: 1", headers: ["A": "b\r\nc: d"], body: nil)
    #expect(
      String(decoding: bytes, as: UTF8.self) == "GET /x  Evil: 1 HTTP/1.1\r\nHost: nodehost\r\na: b  c: d\r\n\r\n")
  }
}

@Suite struct CallStatusTests {
  @Test(arguments: [
    ("0", 200), ("1", 499), ("3", 400), ("5", 404), ("8", 429), ("13", 500), ("14", 503), ("16", 401), ("17", 500),
    ("-1", 500), ("", 500), ("99999999999999999999", 500),
  ]) func ofACallCountsLikeThatOfHTTP(_ said: String, _ status: Int) {
    let head = MessageHead(capacity: 64)
    #expect(head.callStatus == nil)
    head.addField(head.add("grpc-status"), head.add(said))
    #expect(head.callStatus == status)
  }
}

@Suite struct HeaderValueTests {
  /// Eight bytes are looked at together: each may stand at each place among them, beside any neighbour.
  @Test(arguments: 1...20) func ofWhichNoByteIsMissed(_ count: Int) {
    var wrong: [[UInt8]] = []
    for place in 0..<count {
      for byte in UInt8.min...UInt8.max {
        for neighbour: UInt8 in [0x20, 0x21, 0x7E, 0x80, 0xFF, 0x09] {
          var value = [UInt8](repeating: neighbour, count: count)
          value[place] = byte
          let isFit = byte == 0x09 || byte >= 0x20 && byte != 0x7F
          if value.withUnsafeBytes({ HTTP1Fields.isValue($0) }) != isFit { wrong.append(value) }
        }
      }
    }
    #expect(wrong.isEmpty)
  }
}
