/// Reads one HTTP/1.1 response after another from bytes as they come; bodies are handed on in pieces.
package struct HTTPResponseParser: Sendable {
  package struct Head: Sendable, Equatable {
    package var status: Int
    package var headers: HTTPHeaders
  }

  package enum Step: Sendable, Equatable {
    case needMore
    case head(Head)
    case body([UInt8])
    /// The response is complete.
    case end
    case failed(String)
  }

  private enum State {
    case statusLine
    case headers(Head, budget: Int)
    case length(Int)
    case chunked(HTTPChunkedBody)
    case untilClosed
    case ended
    case failed(String)
  }

  private var input = HTTPInput()
  private var state = State.statusLine
  private var closed = false
  /// A response to HEAD has the headers of a body, and none.
  private let bodyless: Bool

  package init(toHead: Bool = false) { bodyless = toHead }

  package mutating func feed(_ bytes: some Collection<UInt8>) { input.feed(bytes) }

  /// The other side has closed the connection.
  package mutating func finish() { closed = true }

  package mutating func next() -> Step {
    do throws(HTTPRefusal) {
      let step = try advance()
      guard closed, step == .needMore else { return step }
      if case .untilClosed = state {
        state = .ended
        return .end
      }
      throw HTTPRefusal(0, "the connection ended in the middle of the answer")
    } catch {
      state = .failed(error.reason)
      return .failed(error.reason)
    }
  }

  private mutating func advance() throws(HTTPRefusal) -> Step {
    while true {
      switch state {
      case .statusLine:
        guard let line = try input.line(limit: HTTPLimits.requestLine, tooLong: 0, "the status line is too long") else {
          return .needMore
        }
        state = .headers(Head(status: try Self.status(line), headers: [:]), budget: HTTPLimits.headerBytes)
      case .headers(var head, var budget):
        guard let line = try input.headerLine(budget: &budget) else { return .needMore }
        if !line.isEmpty {
          try head.headers.add(line: line)
          state = .headers(head, budget: budget)
        } else if (100..<200).contains(head.status) {
          state = .statusLine
        } else {
          state = try bodyState(head, budget)
          return .head(head)
        }
      case .length(0): state = .ended
      case .length(let left):
        let piece = input.take(upTo: left)
        if piece.isEmpty { return .needMore }
        state = .length(left - piece.count)
        return .body(Array(piece))
      case .chunked(var chunks):
        let step = try chunks.next(&input)
        state = .chunked(chunks)
        switch step {
        case .needMore: return .needMore
        case .data(let piece): return .body(Array(piece))
        case .end: state = .ended
        }
      case .untilClosed:
        let piece = input.take(upTo: .max)
        return piece.isEmpty ? .needMore : .body(Array(piece))
      case .ended:
        return .end
      case .failed(let reason): throw HTTPRefusal(0, reason)
      }
    }
  }

  private static func status(_ line: ArraySlice<UInt8>) throws(HTTPRefusal) -> Int {
    let parts = line.split(separator: 0x20, maxSplits: 2, omittingEmptySubsequences: false).map(Array.init)
    guard parts.count >= 2, parts[0] == Array("HTTP/1.1".utf8) || parts[0] == Array("HTTP/1.0".utf8),
      parts[1].count == 3, parts[1].allSatisfy({ HTTPByte.isDigit($0) }),
      let status = Int(String(decoding: parts[1], as: UTF8.self)), status >= 100
    else { throw HTTPRefusal(0, "the answer is not HTTP/1.1") }
    return status
  }

  private func bodyState(_ head: Head, _ budget: Int) throws(HTTPRefusal) -> State {
    if bodyless || head.status == 204 || head.status == 304 { return .ended }
    let codings = head.headers.tokens("transfer-encoding")
    let length = try head.headers.declaredLength()
    if !codings.isEmpty {
      guard codings == ["chunked"], length == nil else {
        throw HTTPRefusal(0, "the answer's body is coded in a way that is not understood")
      }
      return .chunked(HTTPChunkedBody(headerBudget: budget))
    }
    return length.map { .length($0) } ?? .untilClosed
  }
}
