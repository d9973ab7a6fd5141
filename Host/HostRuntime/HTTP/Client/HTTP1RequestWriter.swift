import HostCore

/// Puts the heads of requests of HTTP/1.1 into a stream.
enum HTTP1RequestWriter {
  static func head(_ request: ClientRequest, to stream: Stream) {
    stream.write(upTo: room(request)) { start in
      var writer = HTTP1Writer(at: start)
      writer.add(request.method)
      writer.add(" ")
      writer.add(request.target)
      writer.add(" HTTP/1.1\r\nhost: ")
      writer.add(request.authority)
      writer.add("\r\n")
      request.forEachField { name, value in writer.addField(name, value) }
      switch request.framing {
      case .none: if expectsLength(request) { writer.add("content-length: 0\r\n") }
      case .length(let length):
        writer.add("content-length: ")
        writer.add(length)
        writer.add("\r\n")
      case .chunked, .untilClosed: writer.add("transfer-encoding: chunked\r\n")
      }
      writer.add("\r\n")
      return writer.count
    }
  }

  /// More than it will take: each field is a part of its head's text, and comes with four letters.
  private static func room(_ request: ClientRequest) -> Int {
    var room = 128 + request.authority.count + request.target.count
    room += uncounted(request.head) { $0.used + 4 * $0.fields.count }
    if let added = request.added { room += uncounted(added) { $0.used + 4 * $0.fields.count } }
    return room
  }

  /// Methods whose requests usually have a body say so if they have none (RFC 9110, 8.6).
  private static func expectsLength(_ request: ClientRequest) -> Bool {
    uncounted(request.head) { head in
      head.equals(head.method, "POST") || head.equals(head.method, "PUT") || head.equals(head.method, "PATCH")
    }
  }
}
