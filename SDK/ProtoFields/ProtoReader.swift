public import NodeValues

/// Reads a message of Protocol Buffers field by field, straight from its bytes.
///
///     var reader = ProtoReader(bytes)
///     while try reader.next() {
///       switch reader.field {
///       case 1: id = try reader.int32()
///       case 2: name = try reader.string()
///       case 3: try reader.ints(into: &ports)        // packed or one by one
///       case 4: try reader.pair { key, value in … }  // an entry of map<string, string>
///       case 5: var part = try reader.message()
///       default: break                               // unknown: skipped
///       }
///     }
///
/// A field that nobody reads is skipped, and one that is read as another type than it has is an error, which tells the
/// field and the place; it is an ``Status/invalidArgument``, so a closure of `rpc` may just throw it. Nothing is
/// allocated but what is handed out, and no field reaches past the message that it stands in, whatever the bytes say.
public struct ProtoReader {
  @usableFromInline let bytes: [UInt8]
  @usableFromInline var position: Int
  @usableFromInline let end: Int
  /// The number of the field that stands next.
  public private(set) var field = 0
  @usableFromInline var kind = ProtoKind.varint
  @usableFromInline var isUnread = false
  private let depth: Int

  /// How deep messages may lie in messages.
  public static let depthLimit = 32

  public init(_ bytes: [UInt8]) { self.init(bytes, 0, bytes.count, depth: 0) }

  init(_ bytes: [UInt8], _ start: Int, _ end: Int, depth: Int) {
    (self.bytes, self.position, self.end, self.depth) = (bytes, start, end, depth)
  }

  /// Goes on to the next field; false at the message's end.
  public mutating func next() throws(RoleError) -> Bool {
    if isUnread { try skip() }
    guard position < end else { return false }
    let start = position
    let tag = try varint()
    guard let kind = ProtoKind(rawValue: UInt8(truncatingIfNeeded: tag & 7)), tag >> 3 > 0, tag >> 3 <= 0x1FFF_FFFF
    else {
      throw RoleError(
        .invalidArgument, "these bytes are no message of Protocol Buffers: no field begins so", at: "byte \(start)")
    }
    (field, self.kind, isUnread) = (Int(tag >> 3), kind, true)
    return true
  }

  // MARK: Scalars

  @inlinable public mutating func uint64() throws(RoleError) -> UInt64 {
    try take(.varint)
    return try varint()
  }

  /// Longer numbers are cut to 32 bits, as every reader of the format does.
  @inlinable public mutating func int32() throws(RoleError) -> Int32 { Int32(truncatingIfNeeded: try uint64()) }
  @inlinable public mutating func uint32() throws(RoleError) -> UInt32 { UInt32(truncatingIfNeeded: try uint64()) }
  @inlinable public mutating func int64() throws(RoleError) -> Int64 { Int64(bitPattern: try uint64()) }
  @inlinable public mutating func bool() throws(RoleError) -> Bool { try uint64() != 0 }

  /// Of the types sint32 and sint64.
  public mutating func signed() throws(RoleError) -> Int64 {
    let number = try uint64()
    return Int64(bitPattern: number >> 1) ^ -Int64(bitPattern: number & 1)
  }

  public mutating func fixed32() throws(RoleError) -> UInt32 {
    try take(.fixed32)
    return UInt32(truncatingIfNeeded: try littleEndian(4))
  }

  public mutating func fixed64() throws(RoleError) -> UInt64 {
    try take(.fixed64)
    return try littleEndian(8)
  }

  public mutating func float() throws(RoleError) -> Float { Float(bitPattern: try fixed32()) }
  public mutating func double() throws(RoleError) -> Double { Double(bitPattern: try fixed64()) }

  // MARK: Text, bytes and messages

  public mutating func string() throws(RoleError) -> String {
    let range = try span()
    let text = bytes.withUnsafeBufferPointer { String(utf8: UnsafeBufferPointer(rebasing: $0[range])) }
    guard let text else { throw fault("is text that is not UTF-8", range.lowerBound) }
    return text
  }

  public mutating func data() throws(RoleError) -> [UInt8] { Array(bytes[try span()]) }

  /// The field's content as part of the message, uncopied.
  public mutating func slice() throws(RoleError) -> ArraySlice<UInt8> { bytes[try span()] }

  /// A message in the message.
  public mutating func message() throws(RoleError) -> ProtoReader {
    let range = try span()
    guard depth < Self.depthLimit else {
      throw fault("lies deeper than \(Self.depthLimit) messages in one another", range.lowerBound)
    }
    return ProtoReader(bytes, range.lowerBound, range.upperBound, depth: depth + 1)
  }

  /// An entry of a map<string, string>.
  public mutating func pair(_ body: (String, String) throws(RoleError) -> Void) throws(RoleError) {
    var entry = try message(), key = "", value = ""
    while try entry.next() {
      switch entry.field {
      case 1: key = try entry.string()
      case 2: value = try entry.string()
      default: break
      }
    }
    try body(key, value)
  }

  // MARK: Repeated numbers

  /// Adds the field's numbers to a list, whether they are packed or stand alone. At most `limit` are in it then.
  public mutating func ints<Number: FixedWidthInteger>(
    into list: inout [Number], limit: Int = .max
  ) throws(RoleError) {
    try numbers(.varint, limit - list.count) { (reader) throws(RoleError) in
      list.append(Number(truncatingIfNeeded: try reader.varint()))
    }
  }

  public mutating func doubles(into list: inout [Double], limit: Int = .max) throws(RoleError) {
    try numbers(.fixed64, limit - list.count) { (reader) throws(RoleError) in
      list.append(Double(bitPattern: try reader.littleEndian(8)))
    }
  }

  public mutating func floats(into list: inout [Float], limit: Int = .max) throws(RoleError) {
    try numbers(.fixed32, limit - list.count) { (reader) throws(RoleError) in
      list.append(Float(bitPattern: UInt32(truncatingIfNeeded: try reader.littleEndian(4))))
    }
  }

  private mutating func numbers(
    _ kind: ProtoKind, _ limit: Int, _ one: (inout ProtoReader) throws(RoleError) -> Void
  ) throws(RoleError) {
    let start = position
    guard self.kind == .bytes else {
      guard limit > 0 else { throw fault("has more numbers than are taken", start) }
      try take(kind)
      return try one(&self)
    }
    let range = try span()
    var packed = ProtoReader(bytes, range.lowerBound, range.upperBound, depth: depth)
    packed.field = field
    var count = 0
    while packed.position < packed.end {
      guard count < limit else { throw fault("has more numbers than are taken", start) }
      count += 1
      try one(&packed)
    }
  }

  /// An error about the field that stands next or was read last.
  public func fault(_ what: String) -> RoleError { fault(what, position) }
}
