import Glibc
import HostRuntime
import Synchronization

/// Where things are, for tests that build and load.
package enum TestPlaces {
  package static let repository = "/" + #filePath.split(separator: "/").dropLast(4).joined(separator: "/")

  /// What `swift build` makes lies beside the program that runs the tests.
  package static let products: String = {
    let own = resolvedPath("/proc/self/exe")!
    return String(own[..<own.lastIndex(of: "/")!])
  }()

  /// A folder of this process's own, which is removed at its end.
  package static let scratch: String = {
    var template = Array("/tmp/nodehost-simulated-XXXXXX".utf8CString)
    let folder = String(cString: mkdtemp(&template)!)
    atexit { removeScratch() }
    return folder
  }()

  private static let folders = Atomic<Int>(0)

  /// A folder in it for one simulation, which empties its own.
  package static func newScratch() -> String {
    let folder = "\(scratch)/\(folders.add(1, ordering: .relaxed).newValue)"
    mkdir(folder, 0o700)
    return folder
  }

  private static func removeScratch() { _ = system("rm -rf '\(scratch)'") }
}
