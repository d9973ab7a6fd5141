import CHttp2
import CNodeABI
import HostCore

/// Header fields as nghttp2 takes them.
struct HTTP2Fields {
  private static let copied = UInt8(NGHTTP2_NV_FLAG_NONE.rawValue)
  private static let uncopied = UInt8(
    NGHTTP2_NV_FLAG_NO_COPY_NAME.rawValue | NGHTTP2_NV_FLAG_NO_COPY_VALUE.rawValue)

  private var fields: UnsafeMutableBufferPointer<nghttp2_nv>
  private(set) var count = 0

  static func with<R>(_ capacity: Int, _ body: (inout HTTP2Fields) -> R) -> R {
    withUnsafeTemporaryAllocation(of: nghttp2_nv.self, capacity: capacity) { room in
      var fields = HTTP2Fields(fields: room)
      return body(&fields)
    }
  }

  static func with<R>(_ head: MessageHead, _ body: (UnsafeMutableBufferPointer<nghttp2_nv>) -> R) -> R {
    with(max(1, head.fields.count)) { fields in
      for field in head.fields { fields.add(head.bytes(field.name), head.bytes(field.value)) }
      return body(fields.all)
    }
  }

  /// Constants of the host's.
  static func with<R>(own pairs: nh_pair_list, _ body: (UnsafeMutableBufferPointer<nghttp2_nv>) -> R) -> R {
    with(Int(pairs.count)) { fields in
      for pair in ResponseHead.pairs(pairs) {
        fields.add(ResponseHead.bytes(pair.name), ResponseHead.bytes(pair.value), areOwn: true)
      }
      return body(fields.all)
    }
  }

  var all: UnsafeMutableBufferPointer<nghttp2_nv> { UnsafeMutableBufferPointer(rebasing: fields[..<count]) }

  /// Names may have upper case; nghttp2 puts them into lower case. It copies none that are constants of the host's.
  @inline(__always)
  mutating func add(_ name: UnsafeRawBufferPointer, _ value: UnsafeRawBufferPointer, areOwn: Bool = false) {
    fields.baseAddress!.advanced(by: count).initialize(
      to: nghttp2_nv(
        name: UnsafeMutablePointer(mutating: name.baseAddress?.assumingMemoryBound(to: UInt8.self)),
        value: UnsafeMutablePointer(mutating: value.baseAddress?.assumingMemoryBound(to: UInt8.self)),
        namelen: name.count, valuelen: value.count, flags: areOwn ? Self.uncopied : Self.copied))
    count += 1
  }

  @inline(__always)
  mutating func add(_ name: StaticString, _ value: UnsafeRawBufferPointer) {
    add(UnsafeRawBufferPointer(start: name.utf8Start, count: name.utf8CodeUnitCount), value)
  }

  @inline(__always)
  mutating func add(_ name: StaticString, _ value: StaticString) {
    add(name, UnsafeRawBufferPointer(start: value.utf8Start, count: value.utf8CodeUnitCount))
  }

  /// A number in digits.
  static func digits(_ number: Int, _ room: UnsafeMutableRawPointer) -> UnsafeRawBufferPointer {
    var digits = 1, rest = number / 10
    while rest > 0 {
      digits += 1
      rest /= 10
    }
    rest = number
    for place in stride(from: digits - 1, through: 0, by: -1) {
      room.storeBytes(of: 0x30 + UInt8(rest % 10), toByteOffset: place, as: UInt8.self)
      rest /= 10
    }
    return UnsafeRawBufferPointer(start: room, count: digits)
  }
}
