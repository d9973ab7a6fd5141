internal import NodeValues

/// A file in the safetensors format: the length of a header, the header, which is JSON, and the tensors' bytes. Nothing
/// in it is code, and nothing of it is believed before it is checked.
public struct Safetensors {
  public typealias Entry = SafetensorsHeader.Entry
  public let header: SafetensorsHeader
  private let content: [UInt8]

  /// - Parameter limit: the most bytes of the whole.
  public init(_ content: [UInt8], limit: Int = .max) throws(TensorError) {
    guard content.count <= limit else { throw TensorError("\(content.count) bytes are more than \(limit)") }
    header = try SafetensorsHeader(beginning: content, of: content.count)
    self.content = content
  }

  /// In the order of their bytes.
  public var entries: [Entry] { header.entries }
  public var metadata: [String: String] { header.metadata }

  public subscript(name: String) -> Entry? { entries.first { $0.name == name } }

  public func withBytes<R>(of entry: Entry, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    try content.withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[entry.bytes])) }
  }
}

/// What such a file says of itself.
public struct SafetensorsHeader: Sendable, Equatable {
  public struct Entry: Sendable, Hashable {
    public var name: String
    public var type: NumberType
    public var shape: [Int]
    /// In the file.
    public var bytes: Range<Int>
    public var count: Int { bytes.count / type.size }
  }

  /// In the order of their bytes.
  public let entries: [Entry]
  public let metadata: [String: String]
  /// Where the tensors begin.
  public let end: Int

  public static let limit = 16 << 20

  /// How many bytes of a file of `size` its header takes; nil as long as fewer than eight are known.
  public static func length(_ beginning: some Collection<UInt8>, of size: Int) throws(TensorError) -> Int? {
    guard size >= 8 else { throw TensorError("\(size) bytes are no safetensors file: too few") }
    guard beginning.count >= 8 else { return nil }
    let length = beginning.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard length <= limit, length <= size - 8 else {
      throw TensorError("the header says that it has \(length) bytes; \(size - 8) follow")
    }
    return 8 + Int(length)
  }

  /// - Parameter content: of the file's bytes the first ones, all of the header among them.
  public init(beginning content: [UInt8], of size: Int) throws(TensorError) {
    guard let end = try Self.length(content, of: size), content.count >= end else {
      throw TensorError("\(content.count) bytes are less than the header")
    }
    let header: JSON
    do { header = try JSON(parsing: Array(content[8..<end])) } catch {
      throw TensorError("the header is not JSON: \(error)")
    }
    guard let members = header.object?.members else { throw TensorError("the header is no JSON object") }
    var entries: [Entry] = [], metadata: [String: String] = [:]
    for member in members {
      if member.key == "__metadata__" {
        metadata = try Self.metadata(member.value)
      } else {
        entries.append(try Self.entry(member.key, member.value, from: end))
      }
    }
    entries.sort { $0.bytes.lowerBound < $1.bytes.lowerBound }
    try Self.checkThatNothingIsLeft(entries, from: end, to: size)
    (self.entries, self.metadata, self.end) = (entries, metadata, end)
  }

  private static func metadata(_ value: JSON) throws(TensorError) -> [String: String] {
    guard let members = value.object?.members else { throw TensorError("`__metadata__` is no JSON object") }
    var metadata: [String: String] = [:]
    for member in members {
      guard let text = member.value.string else { throw TensorError("`__metadata__.\(member.key)` is no text") }
      metadata[member.key] = text
    }
    return metadata
  }

  private static func entry(_ name: String, _ value: JSON, from start: Int) throws(TensorError) -> Entry {
    guard let word = value["dtype"]?.string, let shape = numbers(value["shape"]),
      let offsets = numbers(value["data_offsets"]), offsets.count == 2
    else { throw TensorError("`\(name)` lacks dtype, shape or data_offsets") }
    guard let type = NumberType(rawValue: word) else { throw TensorError("`\(name)` has the unknown dtype \(word)") }
    let count = try TensorLayout.count(of: shape, name)
    let (first, last) = (offsets[0], offsets[1])
    guard first <= last, last <= Int.max - start, last - first == count * type.size else {
      throw TensorError("`\(name)` takes \(count * type.size) bytes, and its place is \(first) to \(last)")
    }
    return Entry(name: name, type: type, shape: shape, bytes: (start + first)..<(start + last))
  }

  private static func numbers(_ value: JSON?) -> [Int]? {
    guard let items = value?.array, items.count <= TensorLayout.dimensionLimit else { return nil }
    let numbers = items.compactMap { $0.int.flatMap { $0 >= 0 ? Int($0) : nil } }
    return numbers.count == items.count ? numbers : nil
  }

  /// Bytes that no tensor has, or two have, could carry what nobody looks at.
  private static func checkThatNothingIsLeft(_ entries: [Entry], from start: Int, to end: Int) throws(TensorError) {
    var place = start
    for entry in entries {
      guard entry.bytes.lowerBound == place else {
        throw TensorError("`\(entry.name)` begins at byte \(entry.bytes.lowerBound - start), not \(place - start)")
      }
      place = entry.bytes.upperBound
    }
    guard place == end else { throw TensorError("the tensors have \(place - start) bytes, the file \(end - start)") }
  }
}

/// Of the numbers of a tensor, as safetensors calls them.
public enum NumberType: String, Sendable {
  case f64 = "F64"
  case f32 = "F32"
  case f16 = "F16"
  case bf16 = "BF16"
  case i64 = "I64"
  case i32 = "I32"
  case i16 = "I16"
  case i8 = "I8"
  case u64 = "U64"
  case u32 = "U32"
  case u16 = "U16"
  case u8 = "U8"
  case bool = "BOOL"

  public var size: Int {
    switch self {
    case .f64, .i64, .u64: 8
    case .f32, .i32, .u32: 4
    case .f16, .bf16, .i16, .u16: 2
    case .i8, .u8, .bool: 1
    }
  }
}

/// Writes such a file: which tensors it has is said first, and then come their bytes, one after the other.
public struct SafetensorsWriter {
  public typealias Tensor = (name: String, type: NumberType, shape: [Int])

  /// The file, as far as it is written.
  public private(set) var bytes: [UInt8] = []

  /// - Parameter reserved: bytes of the tensors for which room is taken at once; nil: of all.
  public init(_ tensors: [Tensor], metadata: [String: String] = [:], reserving reserved: Int? = nil) {
    var members: [(String, JSON)] = [], size = 0
    if !metadata.isEmpty {
      let texts = metadata.sorted { $0.key < $1.key }.map { ($0.key, JSON.string($0.value)) }
      members = [("__metadata__", .object(JSONObject(texts)))]
    }
    for tensor in tensors {
      let start = size
      size += tensor.shape.reduce(1, *) * tensor.type.size
      let place: JSON = [.int(Int64(start)), .int(Int64(size))]
      let lengths = JSON.array(tensor.shape.map { .int(Int64($0)) })
      members.append(
        (tensor.name, ["dtype": .string(tensor.type.rawValue), "shape": lengths, "data_offsets": place]))
    }
    var text = Array(JSON.object(JSONObject(members)).description.utf8)
    // So that the tensors begin where every kind of number may.
    while (8 + text.count) % 64 != 0 { text.append(UInt8(ascii: " ")) }
    bytes.reserveCapacity(8 + text.count + (reserved ?? size))
    withUnsafeBytes(of: UInt64(text.count).littleEndian) { bytes.append(contentsOf: $0) }
    bytes.append(contentsOf: text)
  }

  public mutating func append(_ tensor: UnsafeRawBufferPointer) { bytes.append(contentsOf: tensor) }
}
