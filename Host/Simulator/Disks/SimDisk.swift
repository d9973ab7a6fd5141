import HostRuntime

/// What a node has on its disk: it outlives the node's processes, but for what was not synced when the power went.
final class SimDisk {
  let files = SimFiles()
  var tables: [String: StoreTable] = [:]
  var commits = 0

  /// What a sync takes, at least and at most.
  var sync: ClosedRange<Int64> = 200_000...2_000_000
  /// No room for anything new.
  var isFull = false
  /// The next sync fails, and the store with it until it is opened anew.
  var fails = false

  func losePower() { for role in tables.keys.sorted() { tables[role]!.skipRevisions() } }
}

/// A node's small files. Each is on the disk once `replace` has returned.
final class SimFiles: StateFiles, @unchecked Sendable {
  private var files: [String: [UInt8]] = [:]

  func read(_ path: String, limit: Int) -> [UInt8]? { files[path].map { Array($0.prefix(limit)) } }

  func replace(_ path: String, _ bytes: [UInt8]) -> Bool {
    files[path] = bytes
    return true
  }

  func names(in folder: String) -> [String] {
    let prefix = "\(folder)/"
    return Set(
      files.keys.compactMap { path in
        path.hasPrefix(prefix) ? path.dropFirst(prefix.count).split(separator: "/").first.map(String.init) : nil
      }
    ).sorted()
  }
}
