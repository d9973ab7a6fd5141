public import NodeValues

/// How a field is written.
@usableFromInline enum ProtoKind: UInt8 {
  case varint = 0
  case fixed64 = 1
  /// Text, bytes, messages and packed numbers: their length, then they themselves.
  case bytes = 2
  case groupStart = 3
  case groupEnd = 4
  case fixed32 = 5
}

extension ProtoReader {
  /// The field is read as this kind.
  @inlinable mutating func take(_ kind: ProtoKind) throws(RoleError) {
    guard self.kind == kind, isUnread else { throw otherKind(kind) }
    isUnread = false
  }

  @usableFromInline func otherKind(_ wanted: ProtoKind) -> RoleError {
    isUnread
      ? fault("is not of the type that was expected: it is written as kind \(kind.rawValue), not \(wanted.rawValue)")
      : RoleError(.internal, "field \(field) is read twice, or before `next`")
  }

  @inlinable mutating func varint() throws(RoleError) -> UInt64 {
    if position < end, bytes[position] < 0x80 {
      defer { position += 1 }
      return UInt64(bytes[position])
    }
    return try longVarint()
  }

  @usableFromInline mutating func longVarint() throws(RoleError) -> UInt64 {
    let start = position
    var number: UInt64 = 0
    for shift in stride(from: UInt64(0), to: 70, by: 7) {
      guard position < end else { throw fault("is cut off in a number", start) }
      let byte = bytes[position]
      position += 1
      // The tenth byte holds the last bit.
      guard shift < 63 || byte <= 1 else { break }
      number |= UInt64(byte & 0x7F) << shift
      if byte < 0x80 { return number }
    }
    throw fault("has a number of more than 64 bits", start)
  }

  /// Four bytes or eight.
  mutating func littleEndian(_ count: Int) throws(RoleError) -> UInt64 {
    guard end - position >= count else { throw fault("is cut off in a number", position) }
    defer { position += count }
    return bytes.withUnsafeBytes {
      count == 8
        ? UInt64(littleEndian: $0.loadUnaligned(fromByteOffset: position, as: UInt64.self))
        : UInt64(UInt32(littleEndian: $0.loadUnaligned(fromByteOffset: position, as: UInt32.self)))
    }
  }

  /// Where the field's bytes are.
  mutating func span() throws(RoleError) -> Range<Int> {
    try take(.bytes)
    let start = position
    let length = try varint()
    guard length <= UInt64(end - position) else {
      throw fault("is \(length) bytes long, and \(end - position) are left", start)
    }
    let range = position..<position + Int(length)
    position = range.upperBound
    return range
  }

  /// Goes past a field that nobody wants.
  mutating func skip() throws(RoleError) {
    switch kind {
    case .varint: _ = try uint64()
    case .fixed64: _ = try fixed64()
    case .fixed32: _ = try fixed32()
    case .bytes: _ = try span()
    // Of the format's first years; no field of proto3 is one.
    case .groupStart, .groupEnd: throw fault("is a group, and there are none in proto3", position)
    }
  }

  func fault(_ what: String, _ position: Int) -> RoleError {
    RoleError(.invalidArgument, "field \(field) of the message \(what)", at: "byte \(position)")
  }
}
