/// `blobs:`, how the objects of all roles are kept.
package struct BlobSettings: Sendable, Equatable {
  /// A master key: 32 bytes that nobody else knows.
  package struct Key: Sendable, Equatable, CustomStringConvertible, CustomReflectable {
    package static let size = 32

    package var id: String
    package var bytes: [UInt8]

    package init(id: String, bytes: [UInt8]) {
      self.id = id
      self.bytes = bytes
    }

    /// In hexadecimal, or in base64 of either alphabet; nil if it is neither, or of another length.
    package init?(id: String, text: String) {
      let text = text.filter { !$0.isWhitespace }
      guard let bytes = Self.hexadecimal(text) ?? Self.base64(text), bytes.count == Self.size else { return nil }
      self.init(id: id, bytes: bytes)
    }

    private static func hexadecimal(_ text: String) -> [UInt8]? {
      let digits = Array(text.utf8)
      guard digits.count == 2 * size else { return nil }
      var bytes: [UInt8] = []
      for place in stride(from: 0, to: digits.count, by: 2) {
        let pair = String(decoding: digits[place..<place + 2], as: UTF8.self)
        // Swift's own reading would take a sign for a digit.
        guard pair.utf8.allSatisfy({ $0 != 0x2B && $0 != 0x2D }), let byte = UInt8(pair, radix: 16) else { return nil }
        bytes.append(byte)
      }
      return bytes
    }

    private static func base64(_ text: String) -> [UInt8]? {
      Base64.decode(String(text.map { $0 == "-" ? "+" : $0 == "_" ? "/" : $0 }))
    }

    package var description: String { "\(id) (secret)" }
    package var customMirror: Mirror { Mirror(self, children: ["id": id]) }
  }

  package var keys: [Key] = []
  /// The one that seals what is new; nil keeps it as it comes.
  package var sealingKey: String?
  /// Of the disk; less than this, and nothing new is taken.
  package var freeFloorBytes = UInt64(ManifestDefaults.blobFreeFloorMegabytes) << 20
  /// How long an upload that nobody goes on with is kept.
  package var unfinishedDays = ManifestDefaults.blobUnfinishedDays

  package init() {}

  package func key(_ id: String) -> Key? { keys.first { $0.id == id } }
}
