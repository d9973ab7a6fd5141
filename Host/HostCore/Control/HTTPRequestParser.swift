/// Reads HTTP/1.1 requests from bytes as they come, strictly by RFC 9112: where two readers could
/// understand a message differently, it is refused. Requests may follow one another without waiting.
package struct HTTPRequestParser: Sendable {
  package enum Step: Sendable, Equatable {
    case needMore
    case request(HTTPRequestHead, body: [UInt8])
    /// Answer with this status, then close: nothing more is read.
    case refuse(status: Int, reason: String)
  }

  private enum State {
    case requestLine
    case headers(RequestLine)
    case length(HTTPRequestHead, Int)
    case chunked(HTTPRequestHead, HTTPChunkedBody)
    case refused(HTTPRefusal)
  }

  private struct RequestLine {
    var method: String
    var target: String
    var isOld: Bool
    var headers = HTTPHeaders()
    var headerBudget = HTTPLimits.headerBytes
  }

  private var input = HTTPInput()
  private var state = State.requestLine
  private var body: [UInt8] = []
  /// One empty line before a request is passed over, as old clients send one after a body.
  private var passedEmptyLine = false
  private var owesContinue = false

  package init() {}

  package mutating func feed(_ bytes: some Collection<UInt8>) {
    if case .refused = state { return }
    input.feed(bytes)
  }

  /// True once for a request that waits for "100 Continue" before it sends its body.
  package mutating func takeContinue() -> Bool {
    defer { owesContinue = false }
    return owesContinue && input.count == 0 && body.isEmpty
  }

  /// Whether bytes of an unfinished request have come; a connection that is idle may be closed quietly.
  package var isIdle: Bool {
    if case .requestLine = state { return input.count == 0 }
    return false
  }

  package mutating func next() -> Step {
    do throws(HTTPRefusal) {
      return try advance()
    } catch {
      state = .refused(error)
      return .refuse(status: error.status, reason: error.reason)
    }
  }

  private mutating func advance() throws(HTTPRefusal) -> Step {
    while true {
      switch state {
      case .requestLine:
        guard let line = try takeRequestLine() else { return .needMore }
        state = .headers(line)
      case .headers(var head):
        let line = try input.headerLine(budget: &head.headerBudget)
        guard let line else { return .needMore }
        if !line.isEmpty { try head.headers.add(line: line) }
        state = .headers(head)
        if line.isEmpty { try endHeaders(head) }
      case .length(let head, let left):
        let piece = input.take(upTo: left)
        body.append(contentsOf: piece)
        if piece.count == left { return finish(head) }
        state = .length(head, left - piece.count)
        return .needMore
      case .chunked(let head, var chunks):
        let step = try chunks.next(&input)
        state = .chunked(head, chunks)
        switch step {
        case .needMore: return .needMore
        case .end: return finish(head)
        case .data(let piece):
          guard body.count + piece.count <= HTTPLimits.body else { throw Self.tooLarge }
          body.append(contentsOf: piece)
        }
      case .refused(let refusal): throw refusal
      }
    }
  }

  private static let tooLarge = HTTPRefusal(413, "the body is larger than \(HTTPLimits.body) bytes")

  private mutating func finish(_ head: HTTPRequestHead) -> Step {
    defer { body = [] }
    state = .requestLine
    passedEmptyLine = false
    owesContinue = false
    return .request(head, body: body)
  }

  private mutating func takeRequestLine() throws(HTTPRefusal) -> RequestLine? {
    while true {
      let tooLong = "the request line is longer than \(HTTPLimits.requestLine) bytes"
      guard let line = try input.line(limit: HTTPLimits.requestLine, tooLong: 414, tooLong) else { return nil }
      if line.isEmpty, !passedEmptyLine {
        passedEmptyLine = true
        continue
      }
      return try Self.requestLine(line)
    }
  }

  private static func requestLine(_ line: ArraySlice<UInt8>) throws(HTTPRefusal) -> RequestLine {
    let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
    guard parts.count == 3, !parts[0].isEmpty, !parts[1].isEmpty else {
      throw HTTPRefusal(400, "the request line is not METHOD TARGET VERSION")
    }
    guard parts[0].allSatisfy({ HTTPByte.isToken($0) }) else {
      throw HTTPRefusal(400, "the method has a character that methods do not have")
    }
    let version = try isOldVersion(parts[2])
    guard parts[1].allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
      throw HTTPRefusal(400, "the target has a character that must be escaped")
    }
    return RequestLine(
      method: String(decoding: parts[0], as: UTF8.self), target: String(decoding: parts[1], as: UTF8.self),
      isOld: version)
  }

  /// True for 1.0, false for 1.1.
  private static func isOldVersion(_ text: ArraySlice<UInt8>) throws(HTTPRefusal) -> Bool {
    let version = Array(text)
    guard version.count == 8, version.starts(with: Array("HTTP/".utf8)), HTTPByte.isDigit(version[5]),
      version[6] == UInt8(ascii: "."), HTTPByte.isDigit(version[7])
    else { throw HTTPRefusal(400, "the request line does not end in HTTP/1.1") }
    guard version[5] == UInt8(ascii: "1"), version[7] <= UInt8(ascii: "1") else {
      throw HTTPRefusal(505, "only HTTP/1.0 and HTTP/1.1 are spoken here")
    }
    return version[7] == UInt8(ascii: "0")
  }

  /// Decides how the body is framed (RFC 9112, 6.3).
  private mutating func endHeaders(_ line: RequestLine) throws(HTTPRefusal) {
    let hosts = line.headers.all("host")
    guard hosts.count == 1 || hosts.isEmpty && line.isOld else {
      throw HTTPRefusal(400, "a request has one Host header")
    }
    let connection = line.headers.tokens("connection")
    let keepAlive = line.isOld ? connection.contains("keep-alive") : !connection.contains("close")
    let head = try HTTPRequestHead(
      method: line.method, target: line.target, headers: line.headers, keepAlive: keepAlive)
    let length = try line.headers.declaredLength()
    let codings = line.headers.tokens("transfer-encoding")
    if !line.headers.all("transfer-encoding").isEmpty {
      guard length == nil else { throw HTTPRefusal(400, "Content-Length and Transfer-Encoding exclude each other") }
      guard !line.isOld else { throw HTTPRefusal(400, "HTTP/1.0 has no Transfer-Encoding") }
      guard codings == ["chunked"] else { throw HTTPRefusal(501, "the only transfer coding is chunked") }
      state = .chunked(head, HTTPChunkedBody(headerBudget: line.headerBudget))
    } else {
      guard length ?? 0 <= HTTPLimits.body else { throw Self.tooLarge }
      state = .length(head, length ?? 0)
    }
    let hasBody = !codings.isEmpty || length ?? 0 > 0
    let expectations = line.isOld ? [] : line.headers.tokens("expect")
    guard expectations.isEmpty || expectations == ["100-continue"] else {
      throw HTTPRefusal(417, "the only expectation is 100-continue")
    }
    owesContinue = hasBody && !expectations.isEmpty
  }
}
