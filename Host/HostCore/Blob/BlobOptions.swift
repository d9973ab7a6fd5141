import NodeValues

/// What may be said of an object before its bytes come.
package struct BlobOptions: Sendable, Equatable {
  package var size: UInt64?
  package var name: BlobName?
  package var mediaType = ""

  package struct Problem: Error, Equatable {
    package var message: String
  }

  package init() {}

  /// Empty text says nothing.
  package init(_ text: String) throws(Problem) {
    guard !text.isEmpty else { return }
    guard let object = (try? JSON(parsing: text))?.object else { throw Problem(message: "the options are no object") }
    for member in object.members where member.value != .null { try take(member.key, member.value) }
  }

  private mutating func take(_ key: String, _ value: JSON) throws(Problem) {
    switch key {
    case "size":
      guard let number = value.int.flatMap({ UInt64(exactly: $0) }), number <= BlobLayout.sizeLimit else {
        throw Problem(message: "`size` is a whole number of bytes, up to \(BlobLayout.sizeLimit)")
      }
      size = number
    case "sha256":
      guard let name = value.string.flatMap(BlobName.init) else {
        throw Problem(message: "`sha256` is text of 64 small hexadecimal digits")
      }
      self.name = name
    case "media_type":
      guard let type = value.string, Self.isMediaType(type) else {
        throw Problem(
          message: "`media_type` is text of at most \(BlobRecord.mediaTypeLimit) printable ASCII characters")
      }
      mediaType = type
    default: throw Problem(message: "there is no option `\(key)`; there are `size`, `sha256` and `media_type`")
    }
  }

  /// It goes into HTTP headers as it is.
  static func isMediaType(_ text: String) -> Bool {
    text.utf8.count <= BlobRecord.mediaTypeLimit && text.utf8.allSatisfy { (0x20...0x7E).contains($0) }
  }
}
