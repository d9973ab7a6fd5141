import CCrypto
import HostCore

/// SHA-256 of what comes in pieces.
package final class ContentDigest {
  private let context: OpaquePointer

  init() {
    context = EVP_MD_CTX_new()
    EVP_DigestInit_ex(context, EVP_sha256(), nil)
  }

  private init(copying other: ContentDigest) {
    context = EVP_MD_CTX_new()
    EVP_MD_CTX_copy_ex(context, other.context)
  }

  deinit { EVP_MD_CTX_free(context) }

  func update(_ piece: UnsafeRawBufferPointer) { EVP_DigestUpdate(context, piece.baseAddress, piece.count) }

  /// Of all that has come so far; more may come.
  var value: [UInt8] {
    let copy = ContentDigest(copying: self)
    return [UInt8](unsafeUninitializedCapacity: BlobName.digestSize) { room, count in
      EVP_DigestFinal_ex(copy.context, room.baseAddress, nil)
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
