import CNodeABI
import Glibc
import HostCore

/// Puts responses of HTTP/1.1 into a stream.
enum HTTP1ResponseWriter {
  enum Framing {
    /// No body, nor a word about one.
    case none
    case length(Int)
    case chunked
    case untilClosed
  }

  /// What becomes of the connection behind the response.
  enum Persistence {
    case stays
    /// The same, for clients of HTTP/1.0, which expect to be told.
    case saidToStay
    case ends
  }

  static func head(
    _ response: ResponseHead, _ framing: Framing, _ persistence: Persistence, date: UnsafeRawBufferPointer,
    to stream: Stream
  ) {
    var room = 160
    for pair in ResponseHead.pairs(response.headers) { room += Int(pair.name.len + pair.value.len) + 4 }
    stream.write(upTo: room) { start in
      var writer = HTTP1Writer(at: start)
      writer.add("HTTP/1.1 ")
      writer.add(response.status)
      writer.add(" ")
      writer.add(reason(response.status))
      writer.add("\r\n")
      if !response.hasDate {
        writer.add("date: ")
        writer.add(date)
        writer.add("\r\n")
      }
      if !response.hasServer { writer.add("server: nodehost\r\n") }
      for pair in ResponseHead.pairs(response.headers) where !ResponseHead.isTheHosts(pair.name) {
        writer.addField(ResponseHead.bytes(pair.name), ResponseHead.bytes(pair.value))
      }
      finish(&writer, framing, persistence)
      return writer.count
    }
  }

  /// Another server's head. What it says of the length of a body that does not follow is true all the same.
  static func head(
    _ head: MessageHead, leavingOut leftOut: FieldSet, _ framing: Framing, hasNoBody: Bool,
    _ persistence: Persistence, to stream: Stream
  ) {
    stream.write(upTo: head.used + 4 * head.fields.count + 160) { start in
      var writer = HTTP1Writer(at: start)
      writer.add("HTTP/1.1 ")
      writer.add(head.status)
      writer.add(" ")
      writer.add(reason(head.status))
      writer.add("\r\n")
      head.forEachField { place, field in
        if !leftOut.contains(place) { writer.addField(head.bytes(field.name), head.bytes(field.value)) }
      }
      if case .none = framing, hasNoBody || head.status == 304, let length = head.value("content-length") {
        writer.addField("content-length", head.bytes(length))
      }
      finish(&writer, framing, persistence)
      return writer.count
    }
  }

  private static func finish(_ writer: inout HTTP1Writer, _ framing: Framing, _ persistence: Persistence) {
    switch framing {
    case .none, .untilClosed: break
    case .length(let length):
      writer.add("content-length: ")
      writer.add(length)
      writer.add("\r\n")
    case .chunked: writer.add("transfer-encoding: chunked\r\n")
    }
    switch persistence {
    case .stays: break
    case .saidToStay: writer.add("connection: keep-alive\r\n")
    case .ends: writer.add("connection: close\r\n")
    }
    writer.add("\r\n")
  }

  static func chunk(_ bytes: UnsafeRawBufferPointer, to stream: Stream) {
    // An empty chunk would be the last.
    guard bytes.count > 0 else { return }
    stream.write(upTo: 24) { start in
      var writer = HTTP1Writer(at: start)
      writer.add(hexadecimal: bytes.count)
      writer.add("\r\n")
      return writer.count
    }
    stream.write(bytes)
    stream.write("\r\n")
  }

  static func lastChunk(_ trailers: nh_pair_list, to stream: Stream) {
    stream.write("0\r\n")
    for pair in ResponseHead.pairs(trailers) where !ResponseHead.isTheHosts(pair.name) {
      stream.write(ResponseHead.bytes(pair.name))
      stream.write(": ")
      stream.write(ResponseHead.bytes(pair.value))
      stream.write("\r\n")
    }
    stream.write("\r\n")
  }

  static func reason(_ status: Int) -> StaticString {
    switch status {
    case 200: "OK"
    case 201: "Created"
    case 202: "Accepted"
    case 204: "No Content"
    case 206: "Partial Content"
    case 301: "Moved Permanently"
    case 302: "Found"
    case 303: "See Other"
    case 304: "Not Modified"
    case 307: "Temporary Redirect"
    case 308: "Permanent Redirect"
    case 400: "Bad Request"
    case 401: "Unauthorized"
    case 403: "Forbidden"
    case 404: "Not Found"
    case 405: "Method Not Allowed"
    case 408: "Request Timeout"
    case 409: "Conflict"
    case 410: "Gone"
    case 412: "Precondition Failed"
    case 413: "Content Too Large"
    case 414: "URI Too Long"
    case 415: "Unsupported Media Type"
    case 416: "Range Not Satisfiable"
    case 417: "Expectation Failed"
    case 422: "Unprocessable Content"
    case 425: "Too Early"
    case 429: "Too Many Requests"
    case 431: "Request Header Fields Too Large"
    case 500: "Internal Server Error"
    case 501: "Not Implemented"
    case 502: "Bad Gateway"
    case 503: "Service Unavailable"
    case 504: "Gateway Timeout"
    case 505: "HTTP Version Not Supported"
    case 507: "Insufficient Storage"
    default: "Status"
    }
  }
}
