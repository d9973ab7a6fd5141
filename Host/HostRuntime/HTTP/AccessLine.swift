import HostCore

/// A request and what became of it, as a line of JSON.
struct AccessLine {
  private(set) var bytes: [UInt8] = []

  mutating func describe(_ exchange: ServerExchange, _ listener: String) {
    let head = exchange.head
    bytes.reserveCapacity(512)
    add("{\"time\":\"", Timestamp.text(Timestamp.now()), "\",\"listener\":\"", listener)
    add("\",\"remote\":\"")
    bytes += exchange.remote.text
    add("\",\"protocol\":\"", exchange.speaksHTTP2 ? "HTTP/2" : head.isHTTP10 ? "HTTP/1.0" : "HTTP/1.1")
    add("\",\"secure\":", exchange.isSecure ? "true" : "false")
    add(",\"method\":", head.bytes(head.method))
    add(",\"host\":", head.bytes(head.authority))
    add(",\"target\":", head.bytes(head.target))
    if let agent = head.value("user-agent") { add(",\"agent\":", head.bytes(agent)) }
    add(",\"status\":", "\(exchange.status)", ",\"bytes\":", "\(exchange.isToHead ? 0 : exchange.bodySent)")
    let nanoseconds = exchange.began == 0 ? 0 : EventLoop.now() - exchange.began
    add(",\"micros\":", "\(nanoseconds / 1_000)", ",\"whole\":", exchange.answer == .whole ? "true" : "false", "}\n")
  }

  private mutating func add(_ words: String...) { for word in words { bytes += word.utf8 } }

  /// Text of the client's, which may be anything.
  private mutating func add(_ name: String, _ text: UnsafeRawBufferPointer) {
    add(name, "\"")
    if text.contains(where: { $0 >= 0x80 }) {
      // What is no UTF-8 would make the line no JSON.
      for byte in String(decoding: text, as: UTF8.self).utf8 { add(escaping: byte) }
    } else {
      for byte in text { add(escaping: byte) }
    }
    add("\"")
  }

  private mutating func add(escaping byte: UInt8) {
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
    case 0..<0x20, 0x7F: add("\\u00", String(byte >> 4, radix: 16), String(byte & 15, radix: 16))
    default: bytes.append(byte)
    }
  }
}
