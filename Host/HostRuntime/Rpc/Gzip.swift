import CZlib
import HostCore

/// Messages of gRPC that are compressed with gzip.
enum Gzip {
  /// A smaller message is not worth it.
  static let leastSize = 256
  /// Fast: the network is to be spared, not the processor worn out.
  private static let level: Int32 = 1
  /// The largest window, with gzip's own header around it.
  private static let window: Int32 = 15 + 16
  private static let pieceSize = 64 << 10

  /// A message that would grow beyond `limit` is refused, however small it is before.
  static func inflate(_ bytes: UnsafeRawBufferPointer, limit: Int) throws(GrpcFault) -> [UInt8] {
    var stream = z_stream()
    guard czlib_inflate_init(&stream, window) == Z_OK else { throw memory }
    defer { inflateEnd(&stream) }
    take(bytes, &stream)
    var message: [UInt8] = []
    var outcome = Z_OK
    while outcome == Z_OK {
      let room = min(pieceSize, limit + 1 - message.count)
      outcome = fill(&message, room, &stream) { CZlib.inflate(&$0, Z_NO_FLUSH) }
      guard message.count <= limit else {
        throw GrpcFault(GrpcStatus.resourceExhausted, "a message is larger than \(limit) bytes when inflated")
      }
    }
    guard outcome == Z_STREAM_END else { throw GrpcFault(GrpcStatus.internalError, "a message is not well compressed") }
    return message
  }

  static func deflate(_ bytes: UnsafeRawBufferPointer) -> [UInt8]? {
    var stream = z_stream()
    guard czlib_deflate_init(&stream, level, window) == Z_OK else { return nil }
    defer { deflateEnd(&stream) }
    take(bytes, &stream)
    var message: [UInt8] = []
    var outcome = Z_OK
    while outcome == Z_OK { outcome = fill(&message, pieceSize, &stream) { CZlib.deflate(&$0, Z_FINISH) } }
    return outcome == Z_STREAM_END ? message : nil
  }

  private static let memory = GrpcFault(GrpcStatus.resourceExhausted, "there is no memory to inflate a message")

  private static func take(_ bytes: UnsafeRawBufferPointer, _ stream: inout z_stream) {
    stream.next_in = UnsafeMutablePointer(mutating: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self))
    stream.avail_in = UInt32(clamping: bytes.count)
  }

  private static func fill(
    _ message: inout [UInt8], _ room: Int, _ stream: inout z_stream, _ step: (inout z_stream) -> Int32
  ) -> Int32 {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: room) { piece in
      stream.next_out = piece.baseAddress
      stream.avail_out = UInt32(room)
      let outcome = step(&stream)
      message.append(contentsOf: piece.prefix(room - Int(stream.avail_out)))
      return outcome
    }
  }
}
