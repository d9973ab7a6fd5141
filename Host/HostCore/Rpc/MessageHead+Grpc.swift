/// The metadata of gRPC in a head's fields.
extension MessageHead {
  /// Whether a head speaks of gRPC: application/grpc, perhaps with the name of an encoding behind it.
  package var isGrpc: Bool {
    guard let type = value("content-type") else { return false }
    let word: StaticString = "application/grpc"
    guard type.count >= word.utf8CodeUnitCount, equals(Part(Int(type.start), word.utf8CodeUnitCount), word) else {
      return false
    }
    guard Int(type.count) > word.utf8CodeUnitCount else { return true }
    let next = text[Int(type.start) + word.utf8CodeUnitCount]
    return next == UInt8(ascii: "+") || next == UInt8(ascii: ";")
  }

  /// By gRPC's statuses, what HTTP would have said; its own status is 200 whatever became of a call.
  private static let callStatuses = [
    200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401,
  ]

  /// How a call ended, if the answer's head or these trailers say so, as a status of HTTP.
  package var callStatus: Int? {
    guard let field = value("grpc-status") else { return nil }
    guard let status = Int(string(field)), Self.callStatuses.indices.contains(status) else { return 500 }
    return Self.callStatuses[status]
  }

  /// Leaves of the fields what is metadata, with binary values as bytes. Nil if one of those is not base64.
  package func keepMetadata() -> Bool {
    var kept = 0
    var isGood = true
    var more: [Field] = []
    for place in fields.indices {
      let field = fields[place]
      guard !isReserved(field.name) else { continue }
      guard isBinary(field.name) else {
        fields[kept] = field
        kept += 1
        continue
      }
      if field.value.count == 0 { more.append(field) }
      forEachMember(field.value) { member in
        guard let bytes = decodeBase64(member) else { return isGood = false }
        more.append(Field(name: field.name, value: bytes))
      }
    }
    fields.removeLast(fields.count - kept)
    fields += more
    return isGood
  }

  private func isBinary(_ name: Part) -> Bool {
    name.count > 4 && equals(Part(Int(name.start + name.count) - 4, 4), "-bin")
  }

  /// What the host reads and writes itself.
  private func isReserved(_ name: Part) -> Bool {
    switch name.count {
    case 2: equals(name, "te")
    case 4: equals(name, "host") || equals(name, "date")
    case 11: equals(name, "grpc-status")
    case 12: equals(name, "content-type") || equals(name, "grpc-timeout") || equals(name, "grpc-message")
    case 13: equals(name, "grpc-encoding")
    case 14: equals(name, "content-length")
    case 15: equals(name, "accept-encoding")
    case 17: equals(name, "grpc-message-type")
    case 20: equals(name, "grpc-accept-encoding")
    default: false
    }
  }

  /// In its own place, where there is room enough. With padding or without.
  private func decodeBase64(_ part: Part) -> Part? {
    var end = Int(part.start + part.count)
    let start = Int(part.start)
    while end > start, end > start + Int(part.count) - 2, text[end - 1] == UInt8(ascii: "=") { end -= 1 }
    var write = start, held = 0, bits = 0
    for place in start..<end {
      guard let value = Base64.value(of: text[place]) else { return nil }
      held = held << 6 & 0x3FFF | value
      bits += 6
      if bits >= 8 {
        bits -= 8
        text[write] = UInt8(held >> bits & 0xFF)
        write += 1
      }
    }
    return bits == 6 ? nil : Part(start, write - start)
  }

  /// Adds metadata for the wire: names in lower case, binary values in base64. False if the host writes it itself or it
  /// could not be sent.
  package func addMetadata(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) -> Bool {
    let part = add(name)
    lowercase(part)
    guard HTTP1Fields.isName(bytes(part)), !isReserved(part) else { return false }
    if isBinary(part) {
      var encoded = Base64.encode(value)
      while encoded.last == "=" { encoded.removeLast() }
      addField(part, add(encoded))
      return true
    }
    guard value.allSatisfy({ (0x20...0x7E).contains($0) }) else { return false }
    addField(part, add(value))
    return true
  }
}
