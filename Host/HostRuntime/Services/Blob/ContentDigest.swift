import CSha256
import HostCore

/// SHA-256 of what comes in pieces.
package final class ContentDigest {
  /// So many are best brought forward together; 1: each for itself.
  static let width = Int(csha256_width())

  private let state: OpaquePointer

  init() { state = csha256_new() }

  private init(copying other: ContentDigest) { state = csha256_copy(other.state) }

  deinit { csha256_free(state) }

  func update(_ piece: UnsafeRawBufferPointer) {
    if let start = piece.baseAddress { csha256_update(state, start, piece.count) }
  }

  /// The same for many, each with a whole chunk.
  static func update(_ digests: [ContentDigest], with chunks: [BlobBuffer]) {
    let states = digests.map(\.state)
    let starts = chunks.map { UnsafeRawPointer($0.content.baseAddress!) }
    withExtendedLifetime((digests, chunks)) {
      csha256_update_all(states, starts, BlobLayout.chunkSize, states.count, UInt32(width))
    }
  }

  /// Of all that has come so far; more may come.
  var value: [UInt8] {
    [UInt8](unsafeUninitializedCapacity: BlobName.digestSize) { room, count in
      csha256_value(state, room.baseAddress!)
      count = BlobName.digestSize
    }
  }

  func copy() -> ContentDigest { ContentDigest(copying: self) }

  package static func of(_ bytes: [UInt8]) -> [UInt8] {
    let digest = ContentDigest()
    bytes.withUnsafeBytes { digest.update($0) }
    return digest.value
  }
}
