import Glibc
import HostRuntime

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

  private static func removeScratch() { _ = system("rm -rf '\(scratch)'") }
}
