import CZlib

/// Puts gzip around one answer after the other, piece by piece.
final class ResponseCompressor {
  enum Use {
    /// Answers that are there as a whole; one compressor does those of all connections of a loop.
    case whole
    /// An answer that goes on for a while, perhaps one of thousands. Its compressor takes 32 KiB, not 256, and finds a
    /// little less to leave out.
    case streamed
  }

  /// A fast one, as nginx has it too: a role's loop waits meanwhile.
  private static let level: Int32 = 1
  /// What makes zlib write gzip's header and sum.
  private static let gzip: Int32 = 16
  private static let pieceSize = 16 << 10

  /// zlib remembers where this lies, so it must not move.
  private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)

  /// Nil if there is no memory for it.
  init?(_ use: Use) {
    stream.initialize(to: z_stream())
    let outcome =
      use == .whole
      ? czlib_deflate_init(stream, Self.level, 15 + Self.gzip)
      : czlib_deflate_init_small(stream, Self.level, 12 + Self.gzip, 5)
    guard outcome == Z_OK else {
      stream.deallocate()
      return nil
    }
  }

  deinit {
    deflateEnd(stream)
    stream.deallocate()
  }

  /// For the next answer.
  func reset() { deflateReset(stream) }

  /// All that there is so far leaves at once: whoever waits for an event does not wait for the next one as well.
  func add(_ bytes: UnsafeRawBufferPointer, isLast: Bool = false, _ out: (UnsafeRawBufferPointer) -> Void) {
    guard isLast || bytes.count > 0 else { return }
    var rest = bytes
    repeat {
      let part = UnsafeRawBufferPointer(rebasing: rest.prefix(1 << 30))
      rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
      stream.pointee.next_in = UnsafeMutablePointer(mutating: part.baseAddress?.assumingMemoryBound(to: UInt8.self))
      stream.pointee.avail_in = UInt32(part.count)
      drain(isLast && rest.isEmpty ? Z_FINISH : Z_SYNC_FLUSH, out)
    } while !rest.isEmpty
  }

  private func drain(_ flush: Int32, _ out: (UnsafeRawBufferPointer) -> Void) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.pieceSize) { room in
      repeat {
        stream.pointee.next_out = room.baseAddress
        stream.pointee.avail_out = UInt32(room.count)
        deflate(stream, flush)
        let count = room.count - Int(stream.pointee.avail_out)
        if count > 0 { out(UnsafeRawBufferPointer(start: room.baseAddress, count: count)) }
      } while stream.pointee.avail_out == 0
    }
  }
}
