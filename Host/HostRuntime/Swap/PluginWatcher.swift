import CSystem
import Glibc

/// Tells which files in the plugin folders have been written, once each has been left alone for a moment.
///
/// Linkers delete a file and write it anew, copies grow piece by piece: only a file that was closed after writing,
/// moved into the folder or linked there may be whole, and even then another piece may follow.
final class PluginWatcher: DescriptorWatcher {
  /// Long enough for a program that closes and opens a file between two pieces.
  static let quietMilliseconds: Int64 = 30

  private let descriptor: Int32
  private let loop: EventLoop
  private var folders: [Int32: String] = [:]
  private var waiting: [String: UInt64] = [:]
  private let changed: (String) -> Void

  /// Watches nothing if the system has no watches left; `problem` says so.
  init(_ paths: [String], on loop: EventLoop, problem: (String) -> Void, changed: @escaping (String) -> Void) {
    self.loop = loop
    self.changed = changed
    descriptor = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
    for path in Set(paths.map { resolvedPath($0) ?? $0 }).sorted() {
      let watch = inotify_add_watch(
        descriptor, path, UInt32(IN_CLOSE_WRITE) | UInt32(IN_MOVED_TO) | UInt32(IN_CREATE))
      if watch >= 0 { folders[watch] = path } else { problem("\(path): \(systemError())") }
    }
    loop.watch(descriptor, csystem_readable, self)
  }

  func close() {
    for timer in waiting.values { loop.cancelTimer(timer) }
    waiting = [:]
    loop.unwatch(descriptor)
    Glibc.close(descriptor)
  }

  func descriptorReady(_ events: UInt32) {
    withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 8) { room in
      while case let count = read(descriptor, room.baseAddress, room.count), count > 0 {
        var place = 0
        while place + MemoryLayout<inotify_event>.size <= count {
          let event = room.loadUnaligned(fromByteOffset: place, as: inotify_event.self)
          let name = place + MemoryLayout<inotify_event>.size
          note(event, UnsafeRawBufferPointer(rebasing: room[name..<(name + Int(event.len))]))
          place = name + Int(event.len)
        }
      }
    }
  }

  private func note(_ event: inotify_event, _ name: UnsafeRawBufferPointer) {
    guard let folder = folders[event.wd] else { return }
    let path = "\(folder)/\(String(decoding: name.prefix { $0 != 0 }, as: UTF8.self))"
    guard path.hasSuffix(".so"), event.mask & UInt32(IN_CREATE) == 0 || isLink(path) else { return }
    if let timer = waiting[path] { loop.cancelTimer(timer) }
    waiting[path] = DelayedWork.after(milliseconds: Self.quietMilliseconds, on: loop) { [unowned self] in
      waiting[path] = nil
      changed(path)
    }
  }

  /// Whether a file that has just appeared leads to one that was there before. Cargo puts its results in place so, and
  /// no other event comes. Any other new file is about to be written.
  private func isLink(_ path: String) -> Bool {
    var status = stat()
    guard lstat(path, &status) == 0 else { return false }
    return status.st_nlink > 1 || status.st_mode & S_IFMT == S_IFLNK
  }
}
