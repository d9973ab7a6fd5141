import CCrypto
import CSystem
import Glibc
package import HostCore

/// A plugin's file, copied to a private place and found good without running any of it.
///
/// The watched file is never opened by the dynamic loader: linkers rewrite it in place, and a half
/// written library crashes the process that loads it. The copy is named by its content, so the same
/// content is loaded once and other content never meets an old handle.
package struct PluginFile: Sendable {
  /// Larger than any plugin; it keeps a wrong path from filling the disk.
  static let sizeLimit = 256 << 20

  package var path: String
  package var copy: String
  package var sha256: String
  package var size: Int
  package var note: PluginNote

  package init(path: String, allowed: String?, cache: PluginCache) throws(PluginProblem) {
    let bytes = try Self.read(path)
    sha256 = Self.sha256(of: bytes)
    if let allowed, allowed != sha256 {
      throw PluginProblem(
        .notAllowed, file: path, found: "has SHA-256 \(sha256), and the manifest allows only \(allowed)",
        remedy: "put back the file that was allowed, or change plugins.allow")
    }
    note = try HostABI.check(try Self.image(of: bytes, path), file: path)
    self.path = path
    size = bytes.count
    copy = try cache.keep(bytes, sha256: sha256, source: path)
  }

  /// A copy that was checked before, by the process that started this one.
  init(trustedCopy copy: String, path: String, note: PluginNote) {
    self.path = path
    self.copy = copy
    self.note = note
    sha256 = ""
    size = 0
  }

  private static func image(of bytes: [UInt8], _ path: String) throws(PluginProblem) -> ElfImage {
    do throws(ElfImage.Problem) {
      return try ElfImage(reading: bytes)
    } catch {
      throw PluginProblem(error, file: path)
    }
  }

  private static func read(_ path: String) throws(PluginProblem) -> [UInt8] {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      throw PluginProblem(
        errno == ENOENT ? .notFound : .unreadable, file: path, found: "cannot be opened: \(systemError())",
        remedy: "check the path and its permissions")
    }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      throw PluginProblem(.unreadable, file: path, found: "is not a regular file", remedy: "name a shared object")
    }
    guard status.st_size <= sizeLimit else {
      throw PluginProblem(
        .tooLarge, file: path, found: "is \(status.st_size) bytes long, and at most \(sizeLimit) are read",
        remedy: "strip it, or check that it is a plugin")
    }
    guard let bytes = readAll(descriptor, limit: sizeLimit) else {
      throw PluginProblem(.unreadable, file: path, found: "cannot be read: \(systemError())", remedy: "check the disk")
    }
    return bytes
  }

  static func sha256(of bytes: [UInt8]) -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    var length: UInt32 = 32
    EVP_Digest(bytes, bytes.count, &digest, &length, EVP_sha256(), nil)
    let digits = Array("0123456789abcdef".utf8)
    return String(decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}

/// The folder of private copies, readable by nobody else, each named by its SHA-256.
package struct PluginCache: Sendable {
  package var folder: String

  package init(folder: String) { self.folder = folder }

  /// Removes what a process left that was killed while it copied. Only for who has the folder to itself.
  func removeUnfinished() {
    for name in filesIn(folder) where name.hasPrefix(".") { unlink("\(folder)/\(name)") }
  }

  /// Gives back the paths of those that it removed. Copies are told apart by their names, which are hashes.
  func remove(except kept: Set<String>) -> Set<String> {
    let keptNames = Set(kept.compactMap { $0.split(separator: "/").last })
    var removed: Set<String> = []
    for name in filesIn(folder) where !name.hasPrefix(".") && !keptNames.contains(Substring(name)) {
      if unlink("\(folder)/\(name)") == 0 { removed.insert("\(folder)/\(name)") }
    }
    return removed
  }

  /// The path of a copy with just these bytes. One that is there already is trusted only if it still
  /// has its hash: a crash may have left it short.
  func keep(_ bytes: [UInt8], sha256: String, source: String) throws(PluginProblem) -> String {
    let copy = "\(folder)/\(sha256).so"
    if let present = readFile(copy, limit: PluginFile.sizeLimit), present.count == bytes.count,
      memcmp(present, bytes, bytes.count) == 0
    {
      return copy
    }
    let temporary = "\(folder)/.\(sha256).\(getpid())"
    guard makeFolder(folder, mode: 0o700), writeFile(temporary, bytes, mode: 0o500), rename(temporary, copy) == 0 else {
      let reason = systemError()
      unlink(temporary)
      throw PluginProblem(
        .unreadable, file: source, found: "cannot be copied to \(folder): \(reason)",
        remedy: "check that the node's state folder is writable and has room")
    }
    return copy
  }
}
