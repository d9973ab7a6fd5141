/// What of an answer gzip may be put around, by what its head and that of the request say (RFC 9110, 8.4 and 12.5.3).
package enum Compressible {
  /// Text in all its forms; pictures, films and archives have been made small already.
  package static func isType(_ value: UnsafeRawBufferPointer) -> Bool {
    let type = value.prefix { $0 != UInt8(ascii: ";") && $0 != 0x20 && $0 != 0x09 }.map(lower)
    if type.starts(with: "text/".utf8) { return true }
    guard type.starts(with: "application/".utf8) || type.starts(with: "image/".utf8) else { return false }
    let kind = type.drop { $0 != UInt8(ascii: "/") }.dropFirst()
    return ends(kind, "json") || ends(kind, "xml") || ends(kind, "javascript") || kind.elementsEqual("wasm".utf8)
  }

  private static func lower(_ byte: UInt8) -> UInt8 { (0x41...0x5A).contains(byte) ? byte | 0x20 : byte }

  /// "json" and "ld+json", but not "notjson".
  private static func ends(_ kind: ArraySlice<UInt8>, _ word: StaticString) -> Bool {
    let count = word.utf8CodeUnitCount
    guard kind.suffix(count).elementsEqual(UnsafeBufferPointer(start: word.utf8Start, count: count)) else {
      return false
    }
    let before = kind.dropLast(count)
    return before.isEmpty || before.last == UInt8(ascii: "+") || before.elementsEqual("x-".utf8)
  }
}

extension MessageHead {
  /// Whether the client reads gzip. Who says nothing about it may not.
  package var acceptsGzip: Bool {
    var named: Bool?
    var any = false
    for field in fields where equals(field.name, "accept-encoding") {
      forEachMember(field.value) { member in
        let (coding, isWanted) = weighed(member)
        if equalsIgnoringCase(coding, "gzip") || equalsIgnoringCase(coding, "x-gzip") { named = isWanted }
        if equals(coding, "*") { any = isWanted }
      }
    }
    return named ?? any
  }

  /// A member of a list and whether its weight is more than nothing: "gzip;q=0" is a refusal.
  private func weighed(_ member: Part) -> (Part, Bool) {
    let all = bytes(member)
    guard let semicolon = all.firstIndex(of: UInt8(ascii: ";")) else { return (member, true) }
    var name = all[..<semicolon]
    while let last = name.last, last == 0x20 || last == 0x09 { name.removeLast() }
    let weight = all[semicolon...].drop { $0 != UInt8(ascii: "=") }.dropFirst()
    return (Part(Int(member.start), name.count), weight.isEmpty || weight.contains { (0x31...0x39).contains($0) })
  }
}
