/// Where things lie in the file of an object:
///
///     header block   4,096 bytes: what it is, how it is sealed, and its records
///     chunk 0        65,536 bytes of content, and when it is sealed, a nonce before and a tag behind them
///     chunk 1 …
///     last chunk     0 to 65,535 bytes of content, in the same form
///
/// The last chunk is there even if it is empty: being last is part of what seals it.
package struct BlobLayout: Sendable, Equatable {
  /// A page, so that content that is not sealed lies on pages of its own.
  package static let headerSize = 4096
  package static let chunkSize = 64 << 10
  package static let nonceSize = 12
  package static let tagSize = 16
  /// Counters and file offsets stay far from any overflow: 2^50 bytes.
  package static let sizeLimit: UInt64 = 1 << 50

  package let isSealed: Bool

  package init(isSealed: Bool) { self.isSealed = isSealed }

  package var overhead: Int { isSealed ? Self.nonceSize + Self.tagSize : 0 }

  package func offset(ofChunk index: UInt64) -> Int {
    Self.headerSize + Int(index) * (Self.chunkSize + overhead)
  }

  /// The number of the last chunk of so much content.
  package static func lastChunk(of size: UInt64) -> UInt64 { size / UInt64(chunkSize) }

  /// How much content a chunk holds.
  package static func length(ofChunk index: UInt64, of size: UInt64) -> Int {
    index < lastChunk(of: size) ? chunkSize : Int(size % UInt64(chunkSize))
  }

  package func fileSize(of size: UInt64) -> Int {
    let last = Self.lastChunk(of: size)
    return offset(ofChunk: last) + Self.length(ofChunk: last, of: size) + overhead
  }

  /// What is mixed into a chunk's seal, so that it is good in its place only.
  package static func binding(ofChunk index: UInt64, isLast: Bool) -> [UInt8] {
    BlobBytes.bigEndian(index) + [isLast ? 1 : 0]
  }
}

/// Whole numbers in a file.
enum BlobBytes {
  static func bigEndian(_ number: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) }
  }

  static func bigEndian(_ number: UInt32) -> [UInt8] {
    (0..<4).map { UInt8(truncatingIfNeeded: number >> (24 - 8 * $0)) }
  }

  static func number(_ bytes: ArraySlice<UInt8>) -> UInt64 { bytes.reduce(0) { $0 << 8 | UInt64($1) } }
}
