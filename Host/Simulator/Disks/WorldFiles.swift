import Glibc
import HostRuntime
import Synchronization

/// The real files of a world, which go with it.
final class WorldFiles {
  private static let count = Atomic(0)

  private let path: String

  init() {
    let place = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"
    let number = Self.count.add(1, ordering: .relaxed).newValue
    path = "\(place)/nodehost-world-\(getpid())-\(number)"
  }

  deinit { remove() }

  /// Of a node. It is made when something is put there.
  func folder(_ node: Int) -> String { "\(path)/\(node)" }

  func remove() {
    guard access(path, F_OK) == 0 else { return }
    removeAll(path)
  }

  private func removeAll(_ path: String) {
    if isFolder(path) {
      for name in filesIn(path) { removeAll("\(path)/\(name)") }
      rmdir(path)
    } else {
      unlink(path)
    }
  }
}
