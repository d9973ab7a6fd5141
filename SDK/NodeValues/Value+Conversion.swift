extension Value {
  /// The same value as another type of the alphabet, if it is one: whole numbers fit where their size
  /// allows, a whole number is also a number; everything else must be what it is.
  public func converted(to type: ValueType) -> Value? {
    switch (type, self) {
    case (.nothing, .nothing), (.double, .double), (.bool, .bool), (.text, .text), (.bytes, .bytes), (.json, .json),
      (.int64, .int), (.uint64, .unsigned):
      return self
    case (.int32, _): return whole.flatMap { Int32(exactly: $0) }.map { .int(Int64($0)) }
    case (.int64, _): return whole.flatMap { Int64(exactly: $0) }.map { .int($0) }
    case (.uint32, _): return whole.flatMap { UInt32(exactly: $0) }.map { .unsigned(UInt64($0)) }
    case (.uint64, _): return whole.flatMap { UInt64(exactly: $0) }.map { .unsigned($0) }
    case (.double, _): return whole.map { .double(Double($0)) }
    default: return nil
    }
  }

  private var whole: Int128? {
    switch self {
    case .int(let number): Int128(number)
    case .unsigned(let number): Int128(number)
    default: nil
    }
  }

  /// What a person calls this kind of value.
  public var kind: String {
    switch self {
    case .nothing: "nothing"
    case .int, .unsigned: "a whole number"
    case .double: "a number"
    case .bool: "a truth value"
    case .text: "text"
    case .bytes: "bytes"
    case .json: "JSON"
    }
  }
}
