import NodeValues

/// Feeds bytes to everything that reads them from the control connection. Must never trap; that pieces are
/// understood differently from the whole is a fault too, and is made one.
package func fuzzControlHTTP(_ bytes: [UInt8]) {
  let whole = requests(in: bytes, pieces: max(1, bytes.count))
  let split = requests(in: bytes, pieces: Int(bytes.first ?? 0) % 7 + 1)
  precondition(whole == split, "a request in pieces was read differently from the same in one")
  for case .request(let head, let body) in whole {
    precondition(body.count <= HTTPLimits.body && head.headers.fields.count <= HTTPLimits.headerCount)
    guard let request = try? ControlRequest(head, body: body) else { continue }
    guard let again = try? HTTPRequestHead(method: request.method, target: request.target) else {
      preconditionFailure("a request is written in a way that cannot be read")
    }
    let copy = try? ControlRequest(again, body: request.body.map { Array($0.description.utf8) } ?? [])
    // Compared as text: 1.0 is written as 1, and read as a whole number.
    precondition(
      copy?.target == request.target && copy?.body?.description == request.body?.description,
      "a request does not survive being written and read")
  }
  for isToHead in [false, true] {
    let whole = response(in: bytes, pieces: max(1, bytes.count), isToHead)
    precondition(whole == response(in: bytes, pieces: 3, isToHead), "a response in pieces was read differently")
    if isToHead { precondition(!whole.contains { $0.isFullBody }, "a response to HEAD has a body") }
  }
}

extension HTTPResponseParser.Step {
  fileprivate var isFullBody: Bool {
    if case .body(let bytes) = self { return !bytes.isEmpty }
    return false
  }
}

private func requests(in bytes: [UInt8], pieces: Int) -> [HTTPRequestParser.Step] {
  var parser = HTTPRequestParser()
  var found: [HTTPRequestParser.Step] = []
  for start in stride(from: 0, to: bytes.count, by: pieces) {
    parser.feed(bytes[start..<min(start + pieces, bytes.count)])
    _ = parser.takeContinue()
    while true {
      let step = parser.next()
      if step == .needMore { break }
      found.append(step)
      if case .refuse = step { return found }
    }
  }
  return found
}

/// The steps of one response, its body in one piece.
private func response(in bytes: [UInt8], pieces: Int, _ isToHead: Bool) -> [HTTPResponseParser.Step] {
  var parser = HTTPResponseParser(toHead: isToHead)
  var found: [HTTPResponseParser.Step] = []
  var body: [UInt8] = []
  var rest = bytes[...]
  while true {
    switch parser.next() {
    case .body(let piece): body += piece
    case .needMore:
      if rest.isEmpty { parser.finish() } else { parser.feed(rest.prefix(pieces)) }
      rest = rest.dropFirst(pieces)
    case .head(let head): found.append(.head(head))
    case let last: return found + [.body(body), last]
    }
  }
}

/// The bytes are a signature, parameter names and words, each on a line: all of them must be converted or
/// refused, as words and as JSON, and what was accepted must survive its own reply.
package func fuzzCallArguments(_ bytes: [UInt8]) {
  let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
  guard lines.count >= 2, let signature = try? Signature(parsing: lines[0]) else { return }
  let names = lines[1].split(separator: ",").map(String.init)
  let method = MethodShape(name: "f", signature: signature, parameterNames: names)
  let words = Array(lines.dropFirst(2))
  _ = method.usage
  if let values = try? CallArguments.values(words, for: method) { checkReplies(values, method) }
  let arguments = words.map { (try? JSON(parsing: $0)) ?? .string($0) }
  if let values = try? CallArguments.values(arguments, for: method) { checkReplies(values, method) }
}

private func checkReplies(_ values: [Value], _ method: MethodShape) {
  let replies = values.map(CallArguments.replyJSON)
  guard let again = try? CallArguments.values(replies, for: method) else {
    preconditionFailure("a reply cannot be an argument")
  }
  let copies = again.map(CallArguments.replyJSON)
  precondition(copies.map(\.description) == replies.map(\.description), "a value does not survive its reply")
}
