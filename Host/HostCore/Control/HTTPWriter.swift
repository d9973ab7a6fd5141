/// Puts messages into bytes.
package enum HTTPWriter {
  package enum Body: Sendable, Equatable {
    /// The bytes follow, with their length before them.
    case bytes([UInt8])
    /// Chunks follow, written with `chunk` and ended by `lastChunk`.
    case chunked
  }

  /// To be sent when `HTTPRequestParser.takeContinue` says so.
  package static let continueResponse = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)

  /// The end of a chunked body.
  package static let lastChunk = Array("0\r\n\r\n".utf8)

  /// A response's head with all of its body, or with the chunked one's start. `headOnly` answers HEAD.
  package static func response(
    status: Int, type: String = "application/json", headers: HTTPHeaders = [:], body: Body, keepAlive: Bool,
    headOnly: Bool = false
  ) -> [UInt8] {
    var text = "HTTP/1.1 \(status) \(reason(status))\r\nContent-Type: \(type)\r\n"
    for field in headers.fields { text += "\(field.name): \(safe(field.value))\r\n" }
    text += keepAlive ? "" : "Connection: close\r\n"
    return message(text, body, headOnly: headOnly)
  }

  package static func request(method: String, target: String, headers: HTTPHeaders = [:], body: [UInt8]?) -> [UInt8] {
    var text = "\(method) \(safe(target)) HTTP/1.1\r\nHost: nodehost\r\n"
    for field in headers.fields { text += "\(field.name): \(safe(field.value))\r\n" }
    guard let body else { return Array((text + "\r\n").utf8) }
    return message(text + "Content-Type: application/json\r\n", .bytes(body), headOnly: false)
  }

  /// A piece of a chunked body; nothing for an empty piece, which would end it.
  package static func chunk(_ bytes: some Collection<UInt8>) -> [UInt8] {
    if bytes.isEmpty { return [] }
    var chunk = Array((String(bytes.count, radix: 16) + "\r\n").utf8)
    chunk.reserveCapacity(chunk.count + bytes.count + 2)
    chunk.append(contentsOf: bytes)
    chunk.append(contentsOf: [0x0D, 0x0A])
    return chunk
  }

  private static func message(_ head: String, _ body: Body, headOnly: Bool) -> [UInt8] {
    switch body {
    case .chunked: return Array((head + "Transfer-Encoding: chunked\r\n\r\n").utf8)
    case .bytes(let bytes):
      return Array((head + "Content-Length: \(bytes.count)\r\n\r\n").utf8) + (headOnly ? [] : bytes)
    }
  }

  /// A value that came from elsewhere cannot begin a line of its own.
  private static func safe(_ value: String) -> String {
    String(decoding: value.utf8.map { HTTPByte.isText($0) ? $0 : 0x20 }, as: UTF8.self)
  }

  package static func reason(_ status: Int) -> String {
    switch status {
    case 200: "OK"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 417: "Expectation Failed"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 499: "Client Closed Request"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 505: "HTTP Version Not Supported"
    default: "Status \(status)"
    }
  }
}
