/// What a request asks for, without its body.
package struct HTTPRequestHead: Sendable, Equatable {
  package struct QueryItem: Sendable, Equatable {
    package var name: String
    package var value: String

    package init(_ name: String, _ value: String) {
      self.name = name
      self.value = value
    }
  }

  package var method: String
  /// As it was sent.
  package var target: String
  /// The target's segments, decoded: a slash inside one was `%2F`.
  package var path: [String]
  /// Decoded; a plus is a plus.
  package var query: [QueryItem]
  package var headers: HTTPHeaders
  /// Whether the connection stays open for another request.
  package var keepAlive: Bool

  package init(
    method: String, target: String, headers: HTTPHeaders = [:], keepAlive: Bool = true
  ) throws(HTTPRefusal) {
    self.method = method
    self.target = target
    self.headers = headers
    self.keepAlive = keepAlive
    (path, query) = try Self.split(target)
  }

  /// The last value of that name.
  package func queryValue(_ name: String) -> String? { query.last { $0.name == name }?.value }
}

extension HTTPRequestHead {
  /// `/a/b?c=d`, or the same behind `http://host` (RFC 9112, 3.2).
  private static func split(_ target: String) throws(HTTPRefusal) -> ([String], [QueryItem]) {
    var rest = Array(target.utf8)[...]
    guard rest.allSatisfy({ $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "#") }) else {
      throw HTTPRefusal(400, "the target has a character that must be escaped")
    }
    let scheme = Array("http://".utf8)
    if rest.count > scheme.count, String(decoding: rest.prefix(scheme.count), as: UTF8.self).lowercased() == "http://" {
      rest = rest.dropFirst(scheme.count).drop { $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?") }
    } else if rest.first != UInt8(ascii: "/") {
      throw HTTPRefusal(400, "the target must begin with a slash")
    }
    let halves = rest.split(separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
    var path: [String] = []
    let pieces = halves[0].dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
    for piece in pieces where pieces.count > 1 || !piece.isEmpty { path.append(try decode(piece)) }
    guard halves.count == 2 else { return (path, []) }
    var query: [QueryItem] = []
    for item in halves[1].split(separator: UInt8(ascii: "&")) {
      let parts = item.split(separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
      query.append(QueryItem(try decode(parts[0]), parts.count == 2 ? try decode(parts[1]) : ""))
    }
    return (path, query)
  }

  private static func decode(_ text: ArraySlice<UInt8>) throws(HTTPRefusal) -> String {
    var bytes: [UInt8] = []
    var rest = text
    while let byte = rest.popFirst() {
      guard byte == UInt8(ascii: "%") else {
        bytes.append(byte)
        continue
      }
      guard let high = rest.popFirst().flatMap(HTTPByte.hexValue), let low = rest.popFirst().flatMap(HTTPByte.hexValue)
      else { throw HTTPRefusal(400, "the target has a % without two hexadecimal digits") }
      bytes.append(UInt8(high << 4 | low))
    }
    guard !bytes.contains(0) else { throw HTTPRefusal(400, "the target has a NUL") }
    guard let decoded = String(validating: bytes, as: UTF8.self) else {
      throw HTTPRefusal(400, "the target is not UTF-8")
    }
    return decoded
  }

  /// Escapes a path segment or a query value.
  package static func escape(_ text: String) -> String {
    var escaped = ""
    for byte in text.utf8 {
      switch byte {
      case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
        UInt8(ascii: "~"):
        escaped.unicodeScalars.append(Unicode.Scalar(byte))
      default: escaped += "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
      }
    }
    return escaped
  }
}
