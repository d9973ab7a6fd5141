import Glibc
import HostCore

/// Plugin files that were read before, so that a hundred roles of one plugin read it once.
///
/// A file is taken for unchanged only if its status is the same to the nanosecond and had stood for a
/// while when it was read: a change within the clock's grain would leave no trace.
struct KnownFiles {
  private static let settledSeconds = 2

  private struct Status: Equatable {
    var device: UInt
    var inode: UInt
    var size: Int
    var modified: [Int]
    var changed: [Int]
    var isSettled: Bool

    init?(_ path: String) {
      var status = stat()
      guard stat(path, &status) == 0 else { return nil }
      device = UInt(status.st_dev)
      inode = UInt(status.st_ino)
      size = Int(status.st_size)
      modified = [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
      changed = [status.st_ctim.tv_sec, status.st_ctim.tv_nsec]
      isSettled = time(nil) - status.st_ctim.tv_sec > KnownFiles.settledSeconds
    }
  }

  private var files: [String: (status: Status, file: PluginFile)] = [:]

  mutating func file(_ path: String, allowed: String?, cache: PluginCache) throws(PluginProblem) -> PluginFile {
    // Asked before reading: a change while it is read must show the next time.
    let status = Status(path)
    if let status, status.isSettled, let known = files[path], known.status == status,
      allowed == nil || allowed == known.file.sha256
    {
      return known.file
    }
    let file = try PluginFile(path: path, allowed: allowed, cache: cache)
    if let status { files[path] = (status, file) }
    return file
  }

  /// Their private copies are gone.
  mutating func forget(_ copies: Set<String>) {
    guard !copies.isEmpty else { return }
    files = files.filter { !copies.contains($0.value.file.copy) }
  }
}
