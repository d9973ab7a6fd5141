import NodeValues

/// A role's state as it lies on disk: a line of JSON that says whose it is, and the bytes that the role wrote.
package struct SavedState: Sendable, Equatable {
  /// Larger states belong into the store.
  package static let sizeLimit = 256 << 20
  private static let headerLimit = 4096

  /// The plugin's id: another plugin's state is no use, whatever the role's name.
  package var role: String
  package var version: UInt32
  package var bytes: [UInt8]

  package init(role: String, version: UInt32, bytes: [UInt8]) {
    self.role = role
    self.version = version
    self.bytes = bytes
  }

  /// `digest` makes the SHA-256, by which a file that a crash or a disk has damaged is found out.
  package func file(_ digest: ([UInt8]) -> String) -> [UInt8] {
    let header: JSON = [
      "role": .string(role), "version": JSON(version), "bytes": JSON(bytes.count), "sha256": .string(digest(bytes)),
    ]
    return Array("\(header)\n".utf8) + bytes
  }

  /// Nil if the file is not whole.
  package init?(file: [UInt8], _ digest: ([UInt8]) -> String) {
    guard let end = file.prefix(Self.headerLimit).firstIndex(of: UInt8(ascii: "\n")),
      let header = try? JSON(parsing: Array(file[..<end])), let role = header["role"]?.string,
      let version = header["version"]?.int.flatMap({ UInt32(exactly: $0) })
    else { return nil }
    let bytes = Array(file[(end + 1)...])
    guard header["bytes"]?.int == Int64(bytes.count), header["sha256"]?.string == digest(bytes) else { return nil }
    self.init(role: role, version: version, bytes: bytes)
  }
}
