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

  /// A new folder for each that asks, which is removed at the end of this process.
  package static func newFolder() -> String {
    let number = made.add(1, ordering: .relaxed).newValue
    let folder = "\(scratch)/\(number)"
    mkdir(folder, 0o700)
    return folder
  }

  private static let made = Atomic<Int>(0)
  private static let scratch: String = {
    var template = Array("/tmp/nodehost-simulated-XXXXXX".utf8CString)
    let folder = String(cString: mkdtemp(&template)!)
    atexit { removeScratch() }
    return folder
  }()

  private static func removeScratch() { _ = system("rm -rf '\(scratch)'") }
}
