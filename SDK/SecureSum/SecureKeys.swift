internal import CSecureSum
internal import NodeKit

/// X25519, HKDF with SHA-256, and ChaCha20 with Poly1305, as OpenSSL has them.
enum SecureKeys {
  static let size = Int(CSS_KEY)
  static let tag = Int(CSS_TAG)

  private static func bytes(
    _ count: Int, _ problem: @autoclosure () -> RoleError, _ body: (UnsafeMutablePointer<UInt8>) -> Int32
  ) throws(RoleError) -> [UInt8] {
    var done: Int32 = 0
    let bytes = [UInt8](unsafeUninitializedCapacity: count) { room, filled in
      done = room.baseAddress.map(body) ?? 0
      filled = done == 1 ? count : 0
    }
    guard done == 1 else { throw problem() }
    return bytes
  }

  private static var failure: RoleError { RoleError(.internal, "the library of ciphers fails") }

  static func publicKey(_ secret: [UInt8]) throws(RoleError) -> [UInt8] {
    try bytes(size, failure) { css_public(secret, $0) }
  }

  static func agree(_ secret: [UInt8], _ publicKey: [UInt8]) throws(RoleError) -> [UInt8] {
    try bytes(size, RoleError(.invalidArgument, "a public key is one of those that give no secret")) {
      css_agree(secret, publicKey, $0)
    }
  }

  /// 32 bytes of a secret, other ones for each purpose.
  static func derive(_ secret: [UInt8], _ purpose: String) throws(RoleError) -> [UInt8] {
    let words = Array(purpose.utf8)
    return try bytes(size, failure) { css_derive(secret, secret.count, words, words.count, $0, size) }
  }

  static func seal(_ text: [UInt8], _ key: [UInt8]) throws(RoleError) -> [UInt8] {
    try bytes(text.count + tag, failure) { css_seal(key, text, text.count, $0) }
  }

  static func open(_ sealed: [UInt8], _ key: [UInt8]) -> [UInt8]? {
    guard sealed.count > tag else { return nil }
    return try? bytes(sealed.count - tag, failure) { css_open(key, sealed, sealed.count, $0) }
  }

  /// Numbers of 32 bits that look like chance to all who do not know the seed.
  static func stream(_ seed: [UInt8], numbers: Int) throws(RoleError) -> [UInt32] {
    var words = [UInt32](repeating: 0, count: numbers)
    guard css_mask(seed, [1], 1, &words, 0, numbers) == 1 else { throw failure }
    return words
  }
}
