/// Messages of gRPC in a body: a byte that says whether it is compressed, four of length, and the message.
package enum GrpcFraming {
  package static let prefixSize = 5

  package enum Step {
    /// So many bytes are needed in all before there is a message.
    case incomplete(needed: Int)
    case message(isCompressed: Bool, body: UnsafeRawBufferPointer, used: Int)
    /// No message can follow any more.
    case refused(GrpcFault)
  }

  /// The first message of these bytes.
  package static func step(_ bytes: UnsafeRawBufferPointer, limit: Int) -> Step {
    guard bytes.count >= prefixSize else { return .incomplete(needed: prefixSize) }
    let length = Int(UInt32(bigEndian: bytes.loadUnaligned(fromByteOffset: 1, as: UInt32.self)))
    guard bytes[0] <= 1 else {
      return .refused(GrpcFault(GrpcStatus.internalError, "a message begins with \(bytes[0]), which is no flag"))
    }
    guard length <= limit else {
      return .refused(
        GrpcFault(GrpcStatus.resourceExhausted, "a message of \(length) bytes is larger than \(limit) bytes"))
    }
    let used = prefixSize + length
    guard bytes.count >= used else { return .incomplete(needed: used) }
    return .message(
      isCompressed: bytes[0] == 1, body: UnsafeRawBufferPointer(rebasing: bytes[prefixSize..<used]), used: used)
  }

  /// Puts what stands before a message of `count` bytes at `room`.
  package static func writePrefix(_ count: Int, isCompressed: Bool, at room: UnsafeMutableRawPointer) {
    room.storeBytes(of: isCompressed ? 1 : 0, as: UInt8.self)
    room.storeBytes(of: UInt32(truncatingIfNeeded: count).bigEndian, toByteOffset: 1, as: UInt32.self)
  }
}

/// Why a call cannot go on.
package struct GrpcFault: Error, Sendable, Equatable {
  package var status: Int32
  package var words: String

  package init(_ status: Int32, _ words: String) {
    self.status = status
    self.words = words
  }
}

/// The numbers of gRPC's statuses, which are those of the ABI.
package enum GrpcStatus {
  package static let cancelled: Int32 = 1
  package static let unknown: Int32 = 2
  package static let invalidArgument: Int32 = 3
  package static let deadlineExceeded: Int32 = 4
  package static let permissionDenied: Int32 = 7
  package static let resourceExhausted: Int32 = 8
  package static let unimplemented: Int32 = 12
  package static let internalError: Int32 = 13
  package static let unavailable: Int32 = 14
  package static let unauthenticated: Int32 = 16

  /// What an answer that is not gRPC at all means.
  package static func of(http status: Int) -> Int32 {
    switch status {
    case 400: internalError
    case 401: unauthenticated
    case 403: permissionDenied
    case 404: unimplemented
    case 429, 502, 503, 504: unavailable
    default: unknown
    }
  }
}
