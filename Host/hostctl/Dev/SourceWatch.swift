import Glibc
import HostCore

/// Tells which sources below a folder have changed, whichever way an editor saves them.
final class SourceWatch {
  /// Folders that hold what is built, or what nodes leave behind. Those with a leading point are passed over as well.
  private static let passedOver: Set = ["build", "target", "state", "node_modules"]
  private static let endings: Set = [
    "swift", "c", "h", "cc", "cpp", "cxx", "hpp", "S", "rs", "toml", "yaml", "yml", "json", "map", "mk",
  ]
  private static let names: Set = ["Makefile", "GNUmakefile", "CMakeLists.txt"]
  /// A tree with more folders is no role's project; the rest is not watched.
  private static let folderLimit = 1000

  let descriptor: Int32
  private var folders: [Int32: String] = [:]

  init(_ folder: String) throws(CommandFailure) {
    descriptor = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
    guard descriptor >= 0 else { throw CommandFailure("cannot watch \(folder)", System.message(errno)) }
    guard watch(folder) != nil else { throw CommandFailure("cannot watch \(folder)", System.message(errno)) }
  }

  deinit { close(descriptor) }

  /// Watches a folder and those in it; the sources that are there already.
  private func watch(_ folder: String) -> [String]? {
    guard folders.count < Self.folderLimit else { return [] }
    // Programs write a file in place, or beside it and rename it. Either way it is whole afterwards.
    let events = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ONLYDIR
    let watch = inotify_add_watch(descriptor, folder, UInt32(events))
    guard watch >= 0 else { return nil }
    folders[watch] = folder
    var sources: [String] = []
    for name in System.names(in: folder) where !name.hasPrefix(".") {
      let path = "\(folder)/\(name)"
      if System.isFolder(path) {
        if !Self.passedOver.contains(name) { sources += self.watch(path) ?? [] }
      } else if Self.isSource(name) {
        sources.append(path)
      }
    }
    return sources
  }

  private static func isSource(_ name: String) -> Bool {
    if name.hasPrefix(".") || name.hasPrefix("#") || name.hasSuffix("~") { return false }
    if names.contains(name) { return true }
    guard let point = name.lastIndex(of: ".") else { return false }
    return endings.contains(String(name[name.index(after: point)...]))
  }

  /// The sources that have come, changed or gone since the last time. Does not wait.
  func changes() -> Set<String> {
    var changed: Set<String> = []
    withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 8) { room in
      while case let count = read(descriptor, room.baseAddress, room.count), count > 0 {
        var place = 0
        while place + MemoryLayout<inotify_event>.size <= count {
          let event = room.loadUnaligned(fromByteOffset: place, as: inotify_event.self)
          let start = place + MemoryLayout<inotify_event>.size
          place = start + Int(event.len)
          guard place <= count else { break }
          let name = String(decoding: room[start..<place].prefix { $0 != 0 }, as: UTF8.self)
          note(event, name, &changed)
        }
      }
    }
    return changed
  }

  private func note(_ event: inotify_event, _ name: String, _ changed: inout Set<String>) {
    if event.mask & UInt32(IN_IGNORED) != 0 {
      folders[event.wd] = nil
      return
    }
    guard let folder = folders[event.wd], !name.isEmpty else { return }
    let path = "\(folder)/\(name)"
    if event.mask & UInt32(IN_ISDIR) != 0 {
      let comes = event.mask & UInt32(IN_CREATE | IN_MOVED_TO) != 0
      guard comes, !name.hasPrefix("."), !Self.passedOver.contains(name) else { return }
      changed.formUnion(watch(path) ?? [])
    } else if Self.isSource(name), event.mask & UInt32(IN_CREATE) == 0 {
      // A file that was only created is empty yet.
      changed.insert(path)
    }
  }
}
