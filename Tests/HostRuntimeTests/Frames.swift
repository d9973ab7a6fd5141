/// Frames of HTTP/2, made and read by hand, right or wrong (RFC 9113, 4).
enum Frames {
  struct Frame: Equatable {
    var type: UInt8
    var flags: UInt8
    var stream: UInt32
    var payload: [UInt8]

    /// Of RST_STREAM and GOAWAY.
    var code: UInt32? {
      switch type {
      case 3 where payload.count == 4: number(payload[...])
      case 7 where payload.count >= 8: number(payload[4..<8])
      default: nil
      }
    }

    private func number(_ bytes: ArraySlice<UInt8>) -> UInt32 { bytes.reduce(0) { $0 << 8 | UInt32($1) } }
  }

  /// The client's first words and its settings, which are empty.
  static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + frame(4)

  static func frame(_ type: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = []) -> [UInt8] {
    let size = payload.count
    return [UInt8(size >> 16), UInt8(size >> 8 & 0xFF), UInt8(size & 0xFF), type, flags] + big(stream) + payload
  }

  static func headers(
    _ stream: UInt32, method: String = "GET", path: String = "/hello/ada", ends: Bool = true, headEnds: Bool = true
  ) -> [UInt8] {
    let block =
      literal(":method", method) + literal(":scheme", "http") + literal(":path", path) + literal(":authority", "x")
    return frame(1, flags: (ends ? 1 : 0) | (headEnds ? 4 : 0), stream: stream, block)
  }

  static func data(_ stream: UInt32, _ bytes: [UInt8], ends: Bool) -> [UInt8] {
    frame(0, flags: ends ? 1 : 0, stream: stream, bytes)
  }

  /// A field that the other side need not remember (RFC 7541, 6.2.2).
  static func literal(_ name: String, _ value: String) -> [UInt8] {
    [0, UInt8(name.utf8.count)] + name.utf8 + [UInt8(value.utf8.count)] + value.utf8
  }

  static func parse(_ bytes: [UInt8]) -> [Frame] {
    var found: [Frame] = []
    var rest = bytes[...]
    while rest.count >= 9 {
      let head = Array(rest.prefix(9))
      let size = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
      guard rest.count >= 9 + size else { break }
      let stream = head[5...].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      found.append(Frame(type: head[3], flags: head[4], stream: stream, payload: Array(rest.dropFirst(9).prefix(size))))
      rest = rest.dropFirst(9 + size)
    }
    return found
  }

  private static func big(_ number: UInt32) -> [UInt8] {
    [UInt8(number >> 24), UInt8(number >> 16 & 0xFF), UInt8(number >> 8 & 0xFF), UInt8(number & 0xFF)]
  }
}
