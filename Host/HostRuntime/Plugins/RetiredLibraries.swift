import CSystem
import Glibc
import Synchronization

/// Libraries that nobody uses any more and that must stay mapped, until their memory has been given back.
///
/// A node that is developed on goes through thousands of builds. Of each stays in memory only what it has written while
/// it ran: see `csystem_retire_pages`.
final class RetiredLibraries: Sendable {
  /// Its constants with addresses, of all of them. Without a name, so it goes with the process.
  private struct Constants {
    var file: Int32 = -1
    var end: UInt64 = 0
  }

  private let folder: String
  private let waiting = Mutex<[Handle]>([])
  private let constants = Mutex(Constants())

  private struct Handle: @unchecked Sendable {
    var library: UnsafeMutableRawPointer
  }

  /// The folder should be on a disk, since memory is what this saves.
  init(folder: String) { self.folder = folder }

  deinit { constants.withLock { if $0.file >= 0 { close($0.file) } } }

  /// Any thread, and at once: the work is left to `giveBack`.
  func add(_ library: UnsafeMutableRawPointer) { waiting.withLock { $0.append(Handle(library: library)) } }

  /// Writes to the disk, so not on a loop that somebody waits for.
  func giveBack() {
    let retired = waiting.withLock { waiting in
      defer { waiting = [] }
      return waiting
    }
    guard !retired.isEmpty else { return }
    constants.withLock { constants in
      if constants.file < 0 { constants.file = csystem_unnamed_file(folder) }
      for handle in retired {
        constants.end = csystem_retire_pages(handle.library, constants.file, constants.end)
        // With RTLD_NODELETE this only drops the count.
        dlclose(handle.library)
      }
    }
  }
}
