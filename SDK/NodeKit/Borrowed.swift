package import CNodeABI

// Lending Swift values to C for the length of a call, and copying what C lends. All pointers to text and
// bytes are made here.

extension String {
  package func lend<R>(_ body: (nh_str) throws -> R) rethrows -> R {
    var text = self
    return try text.withUTF8 { utf8 in
      try utf8.withMemoryRebound(to: CChar.self) {
        try body(nh_str(ptr: $0.baseAddress, len: UInt64($0.count)))
      }
    }
  }

  package init(_ borrowed: nh_str) {
    self = Self.copy(borrowed.ptr, borrowed.len)
  }

  package init(_ borrowed: nh_json) {
    self = Self.copy(borrowed.ptr, borrowed.len)
  }

  private static func copy(_ start: UnsafePointer<CChar>?, _ length: UInt64) -> String {
    guard let start, length > 0 else { return "" }
    return String(decoding: UnsafeRawBufferPointer(start: start, count: Int(length)), as: UTF8.self)
  }
}

extension JSON {
  package func lend<R>(_ body: (nh_json) throws -> R) rethrows -> R {
    try description.lend { try body(nh_json(ptr: $0.ptr, len: $0.len)) }
  }
}

extension [UInt8] {
  package func lend<R>(_ body: (nh_bytes) throws -> R) rethrows -> R {
    try withUnsafeBufferPointer { try body(nh_bytes(ptr: $0.baseAddress, len: UInt64($0.count))) }
  }

  package init(_ borrowed: nh_bytes) {
    self = Array(UnsafeBufferPointer(start: borrowed.ptr, count: Int(borrowed.len)))
  }
}

extension Value {
  /// This value in the form of `type`; text and bytes are lent for the call.
  package func lend<R>(as type: ValueType, _ body: (nh_value) throws -> R) rethrows -> R {
    func lent(_ slot: nh_slot) throws -> R {
      try body(nh_value(letter: UInt32(type.rawValue), reserved: 0, slot: slot))
    }
    switch self {
    case .nothing: return try lent(nh_slot(lo: 0, hi: 0))
    case .int(let number): return try lent(nh_slot(lo: UInt64(bitPattern: number), hi: 0))
    case .unsigned(let number): return try lent(nh_slot(lo: number, hi: 0))
    case .double(let number): return try lent(nh_slot(lo: number.bitPattern, hi: 0))
    case .bool(let truth): return try lent(nh_slot(lo: truth ? 1 : 0, hi: 0))
    case .text(let text), .json(let text):
      return try text.lend { try lent(nh_slot(lo: UInt64(UInt(bitPattern: $0.ptr)), hi: $0.len)) }
    case .bytes(let bytes):
      return try bytes.lend { try lent(nh_slot(lo: UInt64(UInt(bitPattern: $0.ptr)), hi: $0.len)) }
    }
  }

  /// The type of the alphabet that holds any value of this kind.
  package var widestType: ValueType {
    switch self {
    case .nothing: .nothing
    case .int: .int64
    case .unsigned: .uint64
    case .double: .double
    case .bool: .bool
    case .text: .text
    case .bytes: .bytes
    case .json: .json
    }
  }
}

extension [Value] {
  /// The values as one list, each as the type beside it.
  package func lend<R>(as types: [ValueType], _ body: (nh_value_list) throws -> R) rethrows -> R {
    let packed = PackedValues(self)
    defer { withExtendedLifetime(packed) {} }
    let values = types.indices.map {
      nh_value(letter: UInt32(types[$0].rawValue), reserved: 0, slot: packed.slots[$0])
    }
    return try values.withUnsafeBufferPointer {
      try body(nh_value_list(items: $0.baseAddress, count: UInt64($0.count)))
    }
  }
}

extension UnsafeMutablePointer<nh_error> {
  /// Puts an error into the room that the caller lends.
  package func fill(_ error: RoleError) {
    pointee.code = error.status.rawValue
    pointee.message_len = Self.copy(error.message, pointee.message, pointee.message_capacity)
    pointee.place_len = Self.copy(error.place, pointee.place, pointee.place_capacity)
  }

  private static func copy(_ text: String, _ room: UnsafeMutablePointer<CChar>?, _ capacity: UInt64) -> UInt64 {
    guard let room else { return 0 }
    return text.lend { borrowed in
      let count = Swift.min(borrowed.len, capacity)
      if let start = borrowed.ptr { room.update(from: start, count: Int(count)) }
      return count
    }
  }
}
