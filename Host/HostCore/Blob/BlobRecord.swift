package import NodeValues

/// What is known of an object, or of an upload so far. It lies in a slot of the header block, sealed as the content is
/// or with a checksum, and is written again and again while an upload grows.
package struct BlobRecord: Sendable, Equatable {
  package enum Slot: Int, Sendable, CaseIterable {
    /// Of the whole object, once it is whole.
    case whole
    /// How far an upload is on the disk, by turns, so that the one before is there while the next is written.
    case evenCheckpoint, oddCheckpoint
    /// How far an upload has been written, synced or not.
    case latest

    package var offset: Int { 512 * (1 + rawValue) }
  }

  package static let mediaTypeLimit = 255
  package static let size = 8 + 8 + BlobName.digestSize + 1 + mediaTypeLimit
  /// With the nonce and the tag.
  package static let slotSize = BlobLayout.nonceSize + BlobLayout.tagSize + size

  package var size: UInt64
  package var createdMilliseconds: Int64
  /// SHA-256 of as much content as `size` says.
  package var digest: [UInt8]
  package var mediaType: String

  package init(size: UInt64, createdMilliseconds: Int64 = 0, digest: [UInt8], mediaType: String = "") {
    self.size = size
    self.createdMilliseconds = createdMilliseconds
    self.digest = digest
    self.mediaType = mediaType
  }

  package var name: BlobName { BlobName(digest: digest) }

  package var bytes: [UInt8] {
    let type = Array(mediaType.utf8)
    var bytes = BlobBytes.bigEndian(size)
    bytes += BlobBytes.bigEndian(UInt64(bitPattern: createdMilliseconds))
    bytes += digest + [UInt8(type.count)] + type
    return bytes + [UInt8](repeating: 0, count: Self.size - bytes.count)
  }

  /// Nil for what cannot have been written here.
  package init?(_ bytes: [UInt8]) {
    guard bytes.count == Self.size else { return nil }
    size = BlobBytes.number(bytes[0..<8])
    createdMilliseconds = Int64(bitPattern: BlobBytes.number(bytes[8..<16]))
    digest = Array(bytes[16..<48])
    guard let type = String(validating: bytes[49..<49 + Int(bytes[48])], as: UTF8.self) else { return nil }
    mediaType = type
    guard size <= BlobLayout.sizeLimit, BlobOptions.isMediaType(type), self.bytes == bytes else { return nil }
  }

  /// As stat and list tell it.
  package var json: JSON {
    var object = JSONObject([("sha256", .string(name.text)), ("size", JSON(size))])
    if !mediaType.isEmpty { object["media_type"] = .string(mediaType) }
    object["created_ms"] = .int(createdMilliseconds)
    return .object(object)
  }
}
