/// The first bytes of an object's file, written once: whether its content is sealed, and with what. All of it goes
/// into the file's own keys, so that none of it can be changed unseen.
package struct BlobHeader: Sendable, Equatable {
  package static let size = 256
  package static let saltSize = 32
  package static let keyIDLimit = 64
  private static let magic = Array("nhblob\r\n".utf8)
  private static let version: UInt32 = 1
  private static let plain: UInt32 = 0
  private static let aes256GCM: UInt32 = 1

  package struct Seal: Sendable, Equatable {
    /// Which of the manifest's keys.
    package var keyID: String
    /// Random, so that each file has keys of its own.
    package var salt: [UInt8]

    package init(keyID: String, salt: [UInt8]) {
      self.keyID = keyID
      self.salt = salt
    }
  }

  /// Nil for content that lies there as it is.
  package var seal: Seal?

  package init(seal: Seal?) { self.seal = seal }

  package var layout: BlobLayout { BlobLayout(isSealed: seal != nil) }

  package var bytes: [UInt8] {
    let keyID = Array((seal?.keyID ?? "").utf8)
    var bytes = Self.magic
    bytes += BlobBytes.bigEndian(Self.version)
    bytes += BlobBytes.bigEndian(seal == nil ? Self.plain : Self.aes256GCM)
    bytes += BlobBytes.bigEndian(UInt32(BlobLayout.chunkSize))
    bytes += BlobBytes.bigEndian(UInt32(keyID.count))
    bytes += keyID + [UInt8](repeating: 0, count: Self.keyIDLimit - keyID.count)
    bytes += seal?.salt ?? [UInt8](repeating: 0, count: Self.saltSize)
    return bytes + [UInt8](repeating: 0, count: Self.size - bytes.count)
  }

  package struct Problem: Error, Equatable {
    package var message: String
  }

  /// One spelling for each header: what cannot have been written here is refused.
  package init(_ bytes: [UInt8]) throws(Problem) {
    guard bytes.count == Self.size, bytes.starts(with: Self.magic) else {
      throw Problem(message: "it does not begin as an object does")
    }
    func number(_ place: Int) -> UInt32 { UInt32(BlobBytes.number(bytes[place..<place + 4])) }
    guard number(8) == Self.version else {
      throw Problem(message: "its version is \(number(8)), and this host reads \(Self.version)")
    }
    let cipher = number(12), length = Int(number(20))
    guard cipher <= Self.aes256GCM, length <= Self.keyIDLimit, number(16) == UInt32(BlobLayout.chunkSize) else {
      throw Problem(message: "its header is damaged")
    }
    let keyID = String(validating: bytes[24..<24 + length], as: UTF8.self)
    seal =
      cipher == Self.plain ? nil : keyID.map { Seal(keyID: $0, salt: Array(bytes[88..<88 + Self.saltSize])) }
    guard self.bytes == bytes else { throw Problem(message: "its header is damaged") }
  }
}
