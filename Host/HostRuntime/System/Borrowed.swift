package import CNodeABI
import HostCore

/// Lends Swift text to C for the time of a call.
enum BorrowedText {
  static func with<R>(_ text: String, _ body: (nh_str) -> R) -> R {
    var text = text
    return text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) { body(nh_str(ptr: $0.baseAddress, len: UInt64($0.count))) }
    }
  }

  static func withJSON<R>(_ text: String, _ body: (nh_json) -> R) -> R {
    with(text) { body(nh_json(ptr: $0.ptr, len: $0.len)) }
  }
}

extension String {
  /// Copies borrowed text; what is not UTF-8 is mended, as it is only shown.
  package init(_ borrowed: nh_str) {
    guard let start = borrowed.ptr, borrowed.len > 0, let count = Int(exactly: borrowed.len) else {
      self = ""
      return
    }
    self = String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
  }

  package init(_ borrowed: nh_json) { self.init(nh_str(ptr: borrowed.ptr, len: borrowed.len)) }
}

extension Array where Element == UInt8 {
  package init(_ borrowed: nh_bytes) {
    guard let start = borrowed.ptr, borrowed.len > 0, let count = Int(exactly: borrowed.len) else {
      self = []
      return
    }
    self = Array(UnsafeBufferPointer(start: start, count: count))
  }
}

extension UnsafeBufferPointer {
  /// A borrowed list: empty if its address is missing, nil if it is longer than any that is read.
  init?(_ start: UnsafePointer<Element>?, _ count: UInt64, limit: Int) {
    guard count <= UInt64(limit) else { return nil }
    self.init(start: start, count: start == nil ? 0 : Int(count))
  }
}

/// Room for an nh_error, and what a callee wrote into it.
struct ErrorRoom {
  /// As much of a message and of a place as anybody reads.
  static let messageLimit = 1024
  static let placeLimit = 256

  struct Outcome {
    var status: nh_status
    var message: String
    var place: String

    /// The status, the message and the place in one line.
    var words: String {
      let name = StatusCode.words(status)
      let text = message.isEmpty ? name : "\(name): \(message)"
      return place.isEmpty ? text : "\(text) (at \(place))"
    }
  }

  /// The other way round: says in the plugin's room, if it has given one, what is wrong.
  static func fill(_ room: UnsafeMutablePointer<nh_error>?, _ status: nh_status, _ words: String, at place: String = "")
  {
    BorrowedText.with(place) { place in
      BorrowedText.with(words) { words in _ = nh_fail(room, status, place, words) }
    }
  }

  static func collect(_ body: (UnsafeMutablePointer<nh_error>) -> nh_status) -> Outcome {
    withUnsafeTemporaryAllocation(of: CChar.self, capacity: messageLimit + placeLimit) { room in
      let place = room.baseAddress! + messageLimit
      var error = nh_error(
        struct_size: UInt32(MemoryLayout<nh_error>.size), revision: NH_ABI_REVISION, code: NH_OK, reserved: 0,
        message: room.baseAddress, message_capacity: UInt64(messageLimit), message_len: 0, place: place,
        place_capacity: UInt64(placeLimit), place_len: 0)
      let status = body(&error)
      return Outcome(
        status: status,
        message: String(nh_str(ptr: room.baseAddress, len: min(error.message_len, UInt64(messageLimit)))),
        place: String(nh_str(ptr: place, len: min(error.place_len, UInt64(placeLimit)))))
    }
  }
}

/// Collects what a callee writes into a sink, up to a limit.
final class SinkRoom {
  private(set) var bytes: [UInt8] = []
  private let limit: Int

  private init(limit: Int) { self.limit = limit }

  static func collect<R>(limit: Int, _ body: (UnsafePointer<nh_sink>) -> R) -> (result: R, bytes: [UInt8]) {
    let room = SinkRoom(limit: limit)
    var sink = nh_sink(
      struct_size: UInt32(MemoryLayout<nh_sink>.size), revision: NH_ABI_REVISION,
      ctx: Unmanaged.passUnretained(room).toOpaque(),
      write: { context, piece in
        let room = Unmanaged<SinkRoom>.fromOpaque(context!).takeUnretainedValue()
        guard piece.len <= UInt64(room.limit - room.bytes.count) else { return NH_RESOURCE_EXHAUSTED }
        if let start = piece.ptr {
          room.bytes.append(contentsOf: UnsafeBufferPointer(start: start, count: Int(piece.len)))
        }
        return NH_OK
      })
    let result = withExtendedLifetime(room) { body(&sink) }
    return (result, room.bytes)
  }
}
