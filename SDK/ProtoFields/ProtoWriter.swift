/// Writes a message of Protocol Buffers field by field. What has its default value (zero, false, no text) is left out,
/// as proto3 does it.
///
///     var writer = ProtoWriter()
///     writer.int32(1, node.id)
///     writer.string(2, node.address)
///     writer.message(5) { part in part.string(1, "inside") }
///     try call.answer(writer.bytes)
public struct ProtoWriter {
  public private(set) var bytes: [UInt8] = []

  public init() {}

  /// For a message of about that many bytes, which then is allocated once.
  public init(reserving count: Int) { bytes.reserveCapacity(count) }

  // MARK: Scalars

  public mutating func uint64(_ field: Int, _ value: UInt64) {
    guard value != 0 else { return }
    tag(field, .varint)
    varint(value)
  }

  public mutating func uint32(_ field: Int, _ value: UInt32) { uint64(field, UInt64(value)) }
  /// A negative number takes ten bytes; the type sint64, which is `signed`, fewer.
  public mutating func int64(_ field: Int, _ value: Int64) { uint64(field, UInt64(bitPattern: value)) }
  public mutating func int32(_ field: Int, _ value: Int32) { int64(field, Int64(value)) }
  public mutating func bool(_ field: Int, _ value: Bool) { uint64(field, value ? 1 : 0) }

  /// Of the types sint32 and sint64.
  public mutating func signed(_ field: Int, _ value: Int64) {
    uint64(field, UInt64(bitPattern: value << 1) ^ UInt64(bitPattern: value >> 63))
  }

  public mutating func fixed32(_ field: Int, _ value: UInt32) {
    guard value != 0 else { return }
    tag(field, .fixed32)
    littleEndian(value)
  }

  public mutating func fixed64(_ field: Int, _ value: UInt64) {
    guard value != 0 else { return }
    tag(field, .fixed64)
    littleEndian(value)
  }

  public mutating func float(_ field: Int, _ value: Float) { fixed32(field, value.bitPattern) }
  public mutating func double(_ field: Int, _ value: Double) { fixed64(field, value.bitPattern) }

  // MARK: Text, bytes and messages

  public mutating func string(_ field: Int, _ value: String) {
    guard !value.isEmpty else { return }
    element(field, value)
  }

  /// One of repeated texts, where an empty one counts too.
  public mutating func element(_ field: Int, _ value: String) {
    var value = value
    value.withUTF8 {
      tag(field, .bytes)
      varint(UInt64($0.count))
      bytes.append(contentsOf: $0)
    }
  }

  public mutating func data(_ field: Int, _ value: some Collection<UInt8>) {
    guard !value.isEmpty else { return }
    tag(field, .bytes)
    varint(UInt64(value.count))
    bytes.append(contentsOf: value)
  }

  /// A message in the message. Also an empty one is written: that it is there says something.
  public mutating func message<Failure: Error>(
    _ field: Int, _ body: (inout ProtoWriter) throws(Failure) -> Void
  ) throws(Failure) {
    tag(field, .bytes)
    let place = bytes.count
    // Most are shorter than 128 bytes, and their length is one byte.
    bytes.append(0)
    try body(&self)
    setLength(of: place)
  }

  /// An entry of a map<string, string>.
  public mutating func pair(_ field: Int, _ key: String, _ value: String) {
    message(field) { entry in
      entry.string(1, key)
      entry.string(2, value)
    }
  }

  /// Fields that were written before, as they are.
  public mutating func append(_ fields: some Collection<UInt8>) { bytes.append(contentsOf: fields) }
  public mutating func append(_ fields: [UInt8]) { bytes.append(contentsOf: fields) }

  /// A piece of text inside of ``message(_:_:)``, for text that is put together where it is written:
  ///
  ///     writer.message(7) { text in
  ///       text.append("node ")
  ///       text.append("\(id)")
  ///     }
  public mutating func append(_ piece: String) {
    var piece = piece
    piece.withUTF8 { bytes.append(contentsOf: $0) }
  }

  // MARK: Repeated numbers, packed

  public mutating func ints(_ field: Int, _ values: [some FixedWidthInteger]) {
    packed(field, values) { writer, value in writer.varint(UInt64(truncatingIfNeeded: Int64(truncatingIfNeeded: value)))
    }
  }

  public mutating func doubles(_ field: Int, _ values: [Double]) {
    packed(field, values) { writer, value in writer.littleEndian(value.bitPattern) }
  }

  public mutating func floats(_ field: Int, _ values: [Float]) {
    packed(field, values) { writer, value in writer.littleEndian(value.bitPattern) }
  }

  private mutating func packed<Value>(_ field: Int, _ values: [Value], _ one: (inout ProtoWriter, Value) -> Void) {
    guard !values.isEmpty else { return }
    message(field) { writer in
      for value in values { one(&writer, value) }
    }
  }

  // MARK: The format

  private mutating func tag(_ field: Int, _ kind: ProtoKind) {
    precondition((1...0x1FFF_FFFF).contains(field), "the number of a field is from 1 to 536,870,911")
    varint(UInt64(field) << 3 | UInt64(kind.rawValue))
  }

  @inline(__always)
  private mutating func varint(_ value: UInt64) {
    // Most lengths, most numbers, and the fields up to 15.
    if value < 0x80 { bytes.append(UInt8(truncatingIfNeeded: value)) } else { longVarint(value) }
  }

  private mutating func longVarint(_ value: UInt64) {
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    bytes.append(UInt8(rest))
  }

  private mutating func littleEndian(_ value: some FixedWidthInteger) {
    withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
  }

  /// Makes room for the length of what was written behind `place` if one byte does not hold it.
  private mutating func setLength(of place: Int) {
    let length = bytes.count - place - 1
    guard length >= 0x80 else { return bytes[place] = UInt8(length) }
    var size = ProtoWriter()
    size.varint(UInt64(length))
    bytes.replaceSubrange(place...place, with: size.bytes)
  }
}
