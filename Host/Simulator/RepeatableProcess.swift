import CSystem
import Glibc

/// A process in which the order in a Swift dictionary, and all that hangs on addresses, is the same each time.
package enum RepeatableProcess {
  /// Says that this process is as it must be for a run to be the same everywhere.
  private static let mark = "NODEHOST_SIMULATION_WORKER"

  /// Starts the program anew as such a process, if it is none yet: nothing may be under way.
  package static func become(_ executable: String) {
    guard getenv(mark) == nil else { return }
    setenv(mark, "1", 1)
    setenv("SWIFT_DETERMINISTIC_HASHING", "1", 1)
    _ = csystem_fix_addresses()
    var words: [UnsafeMutablePointer<CChar>?] = CommandLine.arguments.map { strdup($0) } + [nil]
    execv(executable, &words)
  }
}
