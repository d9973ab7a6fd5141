package import CNodeABI

/// The head of an HTTP message: all its text in one piece of memory, and where in that each part lies. Used again for
/// the next message, so that a busy connection asks for no memory at all.
/// What looks at it is public and inlinable for the optimiser's sake alone, as other modules do that for each field.
public final class MessageHead: @unchecked Sendable {
  /// A part of the text.
  @frozen
  public struct Part: Sendable {
    public var start: UInt32 = 0
    public var count: UInt32 = 0

    @inlinable
    @inline(__always)
    package init(_ start: Int, _ count: Int) {
      self.start = UInt32(truncatingIfNeeded: start)
      self.count = UInt32(truncatingIfNeeded: count)
    }

    package init() {}
  }

  @frozen
  public struct Field: Sendable {
    /// In lower case.
    public var name: Part
    public var value: Part
  }

  /// How the end of a message's body is found.
  package enum Framing: Sendable, Equatable {
    case none
    case length(Int)
    case chunked
    /// A response that ends when the connection does.
    case untilClosed
  }

  public private(set) var text: UnsafeMutablePointer<UInt8>
  private var capacity: Int
  package private(set) var used = 0
  public internal(set) var fields: [Field] = []

  package var method = Part()
  package var scheme = Part()
  package var authority = Part()
  /// What was asked for, as it was sent.
  package var target = Part()
  /// Decoded, without `.` and `..`, without the query.
  package var path = Part()
  package var query = Part()
  package var status = 0

  package var framing = Framing.none
  package var keepsAlive = true
  package var expectsContinue = false
  package var isHTTP10 = false
  /// The path had `.` or `..` in it, so the target as it was sent must not be handed on.
  package var hadDots = false

  package init(capacity: Int = 512) {
    self.capacity = capacity
    text = .allocate(capacity: capacity)
  }

  /// Fields only.
  package convenience init(copying pairs: nh_pair_list) {
    self.init(capacity: 256)
    for pair in UnsafeBufferPointer(start: pairs.items, count: pairs.items == nil ? 0 : Int(pairs.count)) {
      addField(
        UnsafeRawBufferPointer(start: pair.name.ptr, count: Int(pair.name.len)),
        UnsafeRawBufferPointer(start: pair.value.ptr, count: Int(pair.value.len)))
    }
  }

  /// All of another head.
  package convenience init(copying other: MessageHead) {
    self.init(capacity: max(other.used, 1))
    add(UnsafeRawBufferPointer(start: other.text, count: other.used))
    fields = other.fields
    (method, scheme, authority, target, path, query) =
      (other.method, other.scheme, other.authority, other.target, other.path, other.query)
    status = other.status
    framing = other.framing
    keepsAlive = other.keepsAlive
    expectsContinue = other.expectsContinue
    isHTTP10 = other.isHTTP10
    hadDots = other.hadDots
  }

  deinit { text.deallocate() }

  package func reset() {
    used = 0
    fields.removeAll(keepingCapacity: true)
    (method, scheme, authority, target, path, query) = (Part(), Part(), Part(), Part(), Part(), Part())
    status = 0
    framing = .none
    keepsAlive = true
    expectsContinue = false
    isHTTP10 = false
    hadDots = false
  }

  // MARK: Filling

  /// Adds text that comes from elsewhere.
  @discardableResult
  package func add(_ bytes: UnsafeRawBufferPointer) -> Part {
    if capacity - used < bytes.count { reserve(bytes.count) }
    return append(bytes)
  }

  /// There is room for it.
  @inline(__always)
  private func append(_ bytes: UnsafeRawBufferPointer) -> Part {
    if let source = bytes.baseAddress {
      UnsafeMutableRawPointer(text + used).copyMemory(from: source, byteCount: bytes.count)
    }
    used += bytes.count
    return Part(used - bytes.count, bytes.count)
  }

  @_disfavoredOverload
  package func add(_ words: String) -> Part {
    var words = words
    return words.withUTF8 { add(UnsafeRawBufferPointer($0)) }
  }

  package func add(_ words: StaticString) -> Part {
    add(UnsafeRawBufferPointer(start: words.utf8Start, count: words.utf8CodeUnitCount))
  }

  func add(byte: UInt8) {
    reserve(1)
    text[used] = byte
    used += 1
  }

  package func addField(_ name: Part, _ value: Part) { fields.append(Field(name: name, value: value)) }

  /// Copies a field whose name may have upper case.
  package func addField(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    let part = add(name)
    lowercase(part)
    addField(part, add(value))
  }

  /// The same for a name that has none.
  package func addField(lowercase name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer) {
    if capacity - used < name.count + value.count { reserve(name.count + value.count) }
    fields.append(Field(name: append(name), value: append(value)))
  }

  package func addField(_ name: StaticString, _ value: String) { addField(add(name), add(value)) }

  func lowercase(_ part: Part) {
    for place in Int(part.start)..<Int(part.start + part.count) where (0x41...0x5A).contains(text[place]) {
      text[place] |= 0x20
    }
  }

  private func reserve(_ more: Int) {
    guard capacity - used < more else { return }
    let larger = max(capacity * 2, used + more)
    let new = UnsafeMutablePointer<UInt8>.allocate(capacity: larger)
    new.update(from: text, count: used)
    text.deallocate()
    text = new
    capacity = larger
  }

  // MARK: Looking

  @inlinable
  @inline(__always)
  public func bytes(_ part: Part) -> UnsafeRawBufferPointer {
    UnsafeRawBufferPointer(start: text + Int(part.start), count: Int(part.count))
  }

  package func string(_ part: Part) -> String { String(decoding: bytes(part), as: UTF8.self) }

  package func borrowed(_ part: Part) -> nh_str {
    nh_str(
      ptr: UnsafeRawPointer(text + Int(part.start)).assumingMemoryBound(to: CChar.self), len: UInt64(part.count))
  }

  /// Whether a part is this text, letter for letter.
  @inlinable
  @inline(__always)
  public func equals(_ part: Part, _ words: StaticString) -> Bool {
    guard Int(part.count) == words.utf8CodeUnitCount else { return false }
    let own = text + Int(part.start), other = words.utf8Start
    for place in 0..<Int(part.count) where own[place] != other[place] { return false }
    return true
  }

  /// The value of the first field of that name.
  package func value(_ name: StaticString) -> Part? {
    // By places, as an iterator would count the array's references.
    for place in fields.indices where equals(fields[place].name, name) { return fields[place].value }
    return nil
  }

  /// Looks at each field where it lies, for the same reason.
  @inlinable
  @inline(__always)
  public func forEachField(_ body: (_ place: Int, _ field: Field) -> Void) {
    for place in fields.indices { body(place, fields[place]) }
  }

  /// All fields as the ABI lends them. Valid during the call.
  package func withPairs(_ body: (nh_pair_list) -> Void) {
    withUnsafeTemporaryAllocation(of: nh_pair.self, capacity: max(1, fields.count)) { pairs in
      for place in fields.indices {
        let field = fields[place]
        pairs.initializeElement(at: place, to: nh_pair(name: borrowed(field.name), value: borrowed(field.value)))
      }
      body(nh_pair_list(items: pairs.baseAddress, count: UInt64(fields.count)))
    }
  }

  /// The same with an outcome. Not for what happens all the time: without knowing the type it costs more.
  package func withPairs<R>(_ body: (nh_pair_list) -> R) -> R {
    var outcome: R?
    withPairs { (pairs: nh_pair_list) -> Void in outcome = body(pairs) }
    return outcome!
  }
}
