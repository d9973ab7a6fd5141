import CCrypto
import HostCore

/// The key that all nodes of a cluster share, made fit for TLS.
enum ClusterKey {
  /// Shorter ones could be guessed from a recorded handshake.
  package static let leastLength = 32
  private static let salt: StaticString = "nodehost.peers/1"

  /// HKDF (RFC 5869) with SHA-256: one block of output is a key's length.
  static func derive(_ key: Secret, cluster: String) -> [UInt8] {
    let salt = salt.withUTF8Buffer(Array.init)
    let extracted = authenticated(Array(key.value.utf8), key: salt)
    return authenticated(Array(cluster.utf8) + [1], key: extracted)
  }

  private static func authenticated(_ text: [UInt8], key: [UInt8]) -> [UInt8] {
    var length: UInt32 = 0
    return [UInt8](unsafeUninitializedCapacity: Int(EVP_MAX_MD_SIZE)) { room, count in
      HMAC(EVP_sha256(), key, Int32(key.count), text, text.count, room.baseAddress, &length)
      count = Int(length)
    }
  }
}
