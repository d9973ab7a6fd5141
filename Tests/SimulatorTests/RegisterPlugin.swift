import Glibc
import HostCore
import HostRuntime

@testable import Simulator

/// The register of Tests/Simulation, built as it is or broken.
final class RegisterPlugin {
  /// What is wrong with it; nil: nothing.
  static let faults = ["NO_WRITE_BACK", "ACK_BEFORE_SYNC", "SMALL_QUORUM", "OWN_TIMESTAMP", "FORGETS", "LATE_ANSWER"]

  let folder: String

  init(broken fault: String? = nil) {
    var template = Array("/tmp/nodehost-register-XXXXXX\0".utf8CString)
    folder = String(cString: mkdtemp(&template))
    let words =
      ["cc", "-std=gnu11", "-O2", "-fPIC", "-fvisibility=hidden", "-shared", "-o", "\(folder)/libregister.so"]
      + ["-I", "\(Self.repository)/SDK/CNodeABI/include", "\(Self.repository)/Tests/Simulation/register.c"]
      + (fault.map { ["-DBROKEN_\($0)"] } ?? [])
    precondition(Self.run(words) == 0, "the register does not build")
  }

  deinit { _ = Self.run(["rm", "-rf", folder]) }

  static let repository: String = {
    let parts = #filePath.split(separator: "/")
    return "/" + parts[..<(parts.count - 3)].joined(separator: "/")
  }()

  private static func run(_ words: [String]) -> Int32 {
    var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for word in arguments { free(word) } }
    var process = pid_t()
    guard posix_spawnp(&process, words[0], nil, nil, &arguments, environ) == 0 else { return 127 }
    var status: Int32 = 0
    waitpid(process, &status, 0)
    return status
  }

  /// A scenario of the register's three nodes, with this plugin.
  func simulation(_ text: String) throws -> Simulation {
    let scenario = try ScenarioReader.read("deployment register\n" + text, in: "\(Self.repository)/Tests/Simulation")
    return try Simulation(
      scenario, PluginCatalogue(scratch: folder, executable: "\(SimulatedPlugins.products)/nodehost", folders: [folder])
    )
  }
}
