public import CNodeABI

/// A value of the signature alphabet that owns what it holds.
public enum Value: Sendable, Equatable {
  case nothing
  case int(Int64)
  case unsigned(UInt64)
  case double(Double)
  case bool(Bool)
  case text(String)
  case bytes([UInt8])
  /// JSON text, kept as it is: most of it is only passed on.
  case json(String)

  /// Copies a borrowed value; nil if its letter is none or a pointer is missing.
  public init?(_ borrowed: nh_value) {
    guard let type = UInt8(exactly: borrowed.letter).flatMap(ValueType.init) else { return nil }
    self.init(borrowed.slot, type)
  }

  /// Copies what a slot of a known type holds.
  public init?(_ slot: nh_slot, _ type: ValueType) {
    switch type {
    case .nothing: self = .nothing
    case .int32, .int64: self = .int(Int64(bitPattern: slot.lo))
    case .uint32, .uint64: self = .unsigned(slot.lo)
    case .double: self = .double(Double(bitPattern: slot.lo))
    case .bool: self = .bool(slot.lo != 0)
    case .text, .bytes, .json:
      guard let bytes = slot.borrowedBytes else { return nil }
      switch type {
      case .text: self = .text(String(decoding: bytes, as: UTF8.self))
      case .json: self = .json(String(decoding: bytes, as: UTF8.self))
      default: self = .bytes(Array(bytes))
      }
    }
  }
}

extension nh_slot {
  /// The bytes that an s, b or j slot borrows; nil if the address is missing or the length absurd.
  public var borrowedBytes: UnsafeRawBufferPointer? {
    if hi == 0 { return UnsafeRawBufferPointer(start: nil, count: 0) }
    guard let address = UnsafeRawPointer(bitPattern: UInt(lo)), let count = Int(exactly: hi) else { return nil }
    return UnsafeRawBufferPointer(start: address, count: count)
  }
}

/// Slots with the bytes they point to, in one block that lives as long as this object.
public final class PackedValues: @unchecked Sendable {
  public let count: Int
  private let block: UnsafeMutableRawPointer

  /// The text and bytes of one value, or nothing for a number.
  private static func payload<R>(of value: Value, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    switch value {
    case .text(var text), .json(var text): text.withUTF8 { body(UnsafeRawBufferPointer($0)) }
    case .bytes(let bytes): bytes.withUnsafeBytes(body)
    default: body(UnsafeRawBufferPointer(start: nil, count: 0))
    }
  }

  public init(_ values: [Value]) {
    count = values.count
    let head = values.count * MemoryLayout<nh_slot>.stride
    let size = values.reduce(head) { $0 + Self.payload(of: $1) { $0.count } }
    block = .allocate(byteCount: max(size, 1), alignment: MemoryLayout<nh_slot>.alignment)
    var end = block + head
    for (index, value) in values.enumerated() {
      let slot = Self.payload(of: value) { bytes in
        if bytes.count > 0 { end.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count) }
        return value.slot(at: end, count: bytes.count)
      }
      (block + index * MemoryLayout<nh_slot>.stride).storeBytes(of: slot, as: nh_slot.self)
      end += Self.payload(of: value) { $0.count }
    }
  }

  /// Copies what is borrowed, without making values of it; nil if one is of another type than is wanted, or text that
  /// somebody has to look at.
  package init?(_ borrowed: UnsafeBufferPointer<nh_value>, as types: [ValueType]) {
    guard borrowed.count == types.count else { return nil }
    var size = borrowed.count * MemoryLayout<nh_slot>.stride
    for (value, type) in zip(borrowed, types) {
      guard value.letter == UInt32(type.rawValue) else { return nil }
      switch type {
      case .int64, .uint64, .double: break
      case .text, .bytes, .json:
        guard let bytes = value.slot.borrowedBytes, type == .bytes || bytes.areASCII else { return nil }
        size += bytes.count
      // These have to fit.
      case .nothing, .int32, .uint32, .bool: return nil
      }
    }
    count = borrowed.count
    block = .allocate(byteCount: max(size, 1), alignment: MemoryLayout<nh_slot>.alignment)
    var end = block + count * MemoryLayout<nh_slot>.stride
    for (place, type) in types.enumerated() {
      var slot = borrowed[place].slot
      if [.text, .bytes, .json].contains(type), let bytes = slot.borrowedBytes {
        if bytes.count > 0 { end.copyMemory(from: bytes.baseAddress!, byteCount: bytes.count) }
        slot = nh_slot(lo: UInt64(UInt(bitPattern: end)), hi: UInt64(bytes.count))
        end += bytes.count
      }
      (block + place * MemoryLayout<nh_slot>.stride).storeBytes(of: slot, as: nh_slot.self)
    }
  }

  deinit { block.deallocate() }

  public var slots: UnsafePointer<nh_slot> { UnsafePointer(block.assumingMemoryBound(to: nh_slot.self)) }
}

extension Value {
  /// This value as a slot; text and bytes have been put at `address`.
  fileprivate func slot(at address: UnsafeMutableRawPointer, count: Int) -> nh_slot {
    switch self {
    case .nothing: nh_slot(lo: 0, hi: 0)
    case .int(let number): nh_slot(lo: UInt64(bitPattern: number), hi: 0)
    case .unsigned(let number): nh_slot(lo: number, hi: 0)
    case .double(let number): nh_slot(lo: number.bitPattern, hi: 0)
    case .bool(let truth): nh_slot(lo: truth ? 1 : 0, hi: 0)
    case .text, .bytes, .json: nh_slot(lo: UInt64(UInt(bitPattern: address)), hi: UInt64(count))
    }
  }
}
