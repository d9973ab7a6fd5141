import Glibc

/// The small files in which a node keeps what it knows of its roles.
package protocol StateFiles: Sendable {
  /// Nil if there is none.
  func read(_ path: String, limit: Int) -> [UInt8]?
  /// Puts a file in the place of another, or makes it; on the disk when it returns. False if it did not succeed.
  func replace(_ path: String, _ bytes: [UInt8]) -> Bool
  func names(in folder: String) -> [String]
}

/// The machine's own.
package struct DiskFiles: StateFiles {
  package init() {}

  package func read(_ path: String, limit: Int) -> [UInt8]? { readFile(path, limit: limit) }

  package func replace(_ path: String, _ bytes: [UInt8]) -> Bool {
    let folder = String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
    guard makeFolder(folder, mode: 0o700) else { return false }
    let temporary = "\(path).new"
    guard writeFile(temporary, bytes, mode: 0o600, isDurable: true), rename(temporary, path) == 0 else { return false }
    return syncFolder(folder)
  }

  package func names(in folder: String) -> [String] { filesIn(folder) }
}
