import HostCore
import Synchronization

/// Room for one chunk, with what seals it around. Filled on a role's loop, then handed to a disk thread, or the other
/// way round; never touched by both at a time.
final class BlobBuffer: @unchecked Sendable {
  private let room = UnsafeMutableRawPointer.allocate(
    byteCount: BlobLayout.chunkSize + BlobLayout.nonceSize + BlobLayout.tagSize, alignment: 64)
  /// How much content is in it.
  var count = 0

  deinit { room.deallocate() }

  var free: Int { BlobLayout.chunkSize - count }

  /// The content; `nonceSize` bytes are before it and `tagSize` behind.
  var content: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: room + BlobLayout.nonceSize, count: count)
  }

  /// Nonce, content and tag.
  var whole: UnsafeMutableRawBufferPointer {
    UnsafeMutableRawBufferPointer(start: room, count: BlobLayout.nonceSize + count + BlobLayout.tagSize)
  }

  func append(_ bytes: UnsafeRawBufferPointer) {
    (room + BlobLayout.nonceSize + count).copyMemory(from: bytes.baseAddress!, byteCount: bytes.count)
    count += bytes.count
  }
}

/// Buffers that nobody uses now. New memory costs a page fault for every 4 KiB, as much as hashing it.
final class BlobBuffers: Sendable {
  /// 8 MiB.
  private static let limit = 128
  private let unused = Mutex<[BlobBuffer]>([])

  func take() -> BlobBuffer {
    let buffer = unused.withLock { $0.popLast() } ?? BlobBuffer()
    buffer.count = 0
    return buffer
  }

  func give(_ buffers: [BlobBuffer]) {
    unused.withLock { unused in unused.append(contentsOf: buffers.prefix(Self.limit - unused.count)) }
  }
}
