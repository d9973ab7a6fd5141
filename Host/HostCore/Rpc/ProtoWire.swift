/// Reads a message of Protocol Buffers field by field. Enough for the few small messages that the host itself
/// understands; those of roles are the roles' own.
package struct ProtoReader {
  package enum Value {
    case number(UInt64)
    case bytes(UnsafeRawBufferPointer)
  }

  package struct Field {
    package var number: Int
    package var value: Value

    package var bytes: UnsafeRawBufferPointer? { if case .bytes(let bytes) = value { bytes } else { nil } }
    package var text: String? { bytes.flatMap { String(validating: $0, as: UTF8.self) } }
    package var integer: UInt64? { if case .number(let number) = value { number } else { nil } }
  }

  private var rest: UnsafeRawBufferPointer
  /// What was read last could not be understood.
  package private(set) var isBroken = false

  package init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

  /// Nil at the end, or if it is broken.
  package mutating func next() -> Field? {
    guard !rest.isEmpty, !isBroken else { return nil }
    guard let key = varint(), key >> 3 > 0, key >> 3 < 1 << 29, let value = value(kind: key & 7) else {
      isBroken = true
      return nil
    }
    return Field(number: Int(key >> 3), value: value)
  }

  private mutating func value(kind: UInt64) -> Value? {
    switch kind {
    case 0: varint().map { .number($0) }
    case 1: take(8).map { .number(UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self))) }
    case 2: varint().flatMap { Int(exactly: $0) }.flatMap { take($0) }.map { .bytes($0) }
    case 5: take(4).map { .number(UInt64(UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self)))) }
    default: nil
    }
  }

  private mutating func take(_ count: Int) -> UnsafeRawBufferPointer? {
    guard count <= rest.count else { return nil }
    defer { rest = UnsafeRawBufferPointer(rebasing: rest[count...]) }
    return UnsafeRawBufferPointer(rebasing: rest[..<count])
  }

  private mutating func varint() -> UInt64? {
    var number: UInt64 = 0
    for place in 0..<min(10, rest.count) {
      number |= UInt64(rest[place] & 0x7F) << UInt64(7 * place)
      if rest[place] < 0x80 {
        rest = UnsafeRawBufferPointer(rebasing: rest[(place + 1)...])
        return number
      }
    }
    return nil
  }
}

/// Writes a message of Protocol Buffers.
package struct ProtoWriter {
  package private(set) var bytes: [UInt8] = []

  package init() {}

  package mutating func add(_ field: Int, _ number: Int) {
    varint(UInt64(field) << 3)
    varint(UInt64(bitPattern: Int64(number)))
  }

  package mutating func add(_ field: Int, _ content: some Collection<UInt8>) {
    varint(UInt64(field) << 3 | 2)
    varint(UInt64(content.count))
    bytes += content
  }

  package mutating func add(_ field: Int, _ text: String) { add(field, text.utf8) }

  private mutating func varint(_ number: UInt64) {
    var rest = number
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F | 0x80))
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }
}
