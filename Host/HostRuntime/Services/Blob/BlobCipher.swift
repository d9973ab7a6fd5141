import CCrypto
import CSystem
import HostCore

/// AES-256-GCM with keys of one file: they come from a master key, the file's random salt and its whole header, so
/// that chunks of another file, and those under another header, do not fit.
///
/// A chunk may be written a second time with other content, when an upload goes on after a crash. So nonces are random
/// and lie beside what they seal, and its place goes in as additional data.
final class BlobCipher {
  private let chunkKey: [UInt8]
  private let recordKey: [UInt8]
  private let context: OpaquePointer

  init(_ key: BlobSettings.Key, _ header: BlobHeader) {
    let salt = header.seal?.salt ?? []
    func derived(_ purpose: String) -> [UInt8] {
      Self.derive(key.bytes, salt: salt, info: Array("nodehost.blob/1 \(purpose)\n".utf8) + header.bytes)
    }
    chunkKey = derived("chunk")
    recordKey = derived("record")
    context = EVP_CIPHER_CTX_new()
  }

  deinit { EVP_CIPHER_CTX_free(context) }

  enum Purpose { case chunk, record }

  private func key(_ purpose: Purpose) -> [UInt8] { purpose == .chunk ? chunkKey : recordKey }

  /// Room has the nonce, then the content, then room for the tag. The content is sealed in its place. False if the
  /// system gives no random bytes.
  func seal(_ room: UnsafeMutableRawBufferPointer, binding: [UInt8], _ purpose: Purpose) -> Bool {
    guard csystem_random(room.baseAddress, BlobLayout.nonceSize) == 0 else { return false }
    let (content, tag) = Self.parts(room)
    var written: Int32 = 0
    return EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), nil, key(purpose), room.bytes) == 1
      && EVP_EncryptUpdate(context, nil, &written, binding, Int32(binding.count)) == 1
      && EVP_EncryptUpdate(context, content.bytes, &written, content.bytes, Int32(content.count)) == 1
      && EVP_EncryptFinal_ex(context, tag.bytes, &written) == 1
      && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_GET_TAG, Int32(tag.count), tag.baseAddress) == 1
  }

  /// The other way round. False if it is not what was sealed, with this key, in this place.
  func open(_ room: UnsafeMutableRawBufferPointer, binding: [UInt8], _ purpose: Purpose) -> Bool {
    let (content, tag) = Self.parts(room)
    var written: Int32 = 0
    return EVP_DecryptInit_ex(context, EVP_aes_256_gcm(), nil, key(purpose), room.bytes) == 1
      && EVP_DecryptUpdate(context, nil, &written, binding, Int32(binding.count)) == 1
      && EVP_DecryptUpdate(context, content.bytes, &written, content.bytes, Int32(content.count)) == 1
      && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_GCM_SET_TAG, Int32(tag.count), tag.baseAddress) == 1
      && EVP_DecryptFinal_ex(context, content.bytes, &written) == 1
  }

  private static func parts(_ room: UnsafeMutableRawBufferPointer) -> (
    content: UnsafeMutableRawBufferPointer, tag: UnsafeMutableRawBufferPointer
  ) {
    let end = room.count - BlobLayout.tagSize
    return (
      UnsafeMutableRawBufferPointer(rebasing: room[BlobLayout.nonceSize..<end]),
      UnsafeMutableRawBufferPointer(rebasing: room[end...])
    )
  }

  /// HKDF with SHA-256 (RFC 5869), for as much as one hash gives.
  static func derive(_ key: [UInt8], salt: [UInt8], info: [UInt8]) -> [UInt8] {
    authenticate(info + [1], key: authenticate(key, key: salt))
  }

  /// HMAC with SHA-256 (RFC 2104).
  private static func authenticate(_ bytes: [UInt8], key: [UInt8]) -> [UInt8] {
    let blockSize = 64
    let short = key.count > blockSize ? ContentDigest.of(key) : key
    let block = short + [UInt8](repeating: 0, count: blockSize - short.count)
    let inner = ContentDigest.of(block.map { $0 ^ 0x36 } + bytes)
    return ContentDigest.of(block.map { $0 ^ 0x5C } + inner)
  }
}

extension UnsafeMutableRawBufferPointer {
  /// As OpenSSL's functions take it.
  fileprivate var bytes: UnsafeMutablePointer<UInt8>? { baseAddress?.assumingMemoryBound(to: UInt8.self) }
}
