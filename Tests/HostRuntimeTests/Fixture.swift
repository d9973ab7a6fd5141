import Glibc
import HostRuntime

/// Where this checkout and the products under test are.
enum Place {
  static let repository: String = {
    let parts = #filePath.split(separator: "/").dropLast(3)
    return "/" + parts.joined(separator: "/")
  }()
  /// The test runner lies beside the executables and the plugins.
  static let products: String = {
    let own = resolvedPath("/proc/self/exe")!
    return String(own[..<own.lastIndex(of: "/")!])
  }()
  static var nodehost: String { "\(products)/nodehost" }

  /// A fresh folder, removed by whoever made it.
  static func temporaryFolder() -> String {
    var template = Array("/tmp/nodehost-test-XXXXXX".utf8CString)
    return String(cString: mkdtemp(&template)!)
  }
}

/// Runs a program to its end; its exit code and what it printed to both outputs.
@discardableResult
func run(_ arguments: [String]) -> (code: Int32, output: String) {
  var ends: [Int32] = [0, 0]
  // A program that stays in the background would hold them open for whoever reads.
  socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0, &ends)
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
  var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
  defer { for word in words { free(word) } }
  var process = pid_t()
  let status = posix_spawnp(&process, arguments[0], &actions, nil, &words, environ)
  close(ends[1])
  defer { close(ends[0]) }
  guard status == 0 else { return (127, "cannot run \(arguments[0])") }
  var output: [UInt8] = []
  var chunk = [UInt8](repeating: 0, count: 4096)
  while case let count = read(ends[0], &chunk, chunk.count), count > 0 { output += chunk[..<count] }
  var code: Int32 = 0
  waitpid(process, &code, 0)
  return (code & 0x7F == 0 ? code >> 8 & 0xFF : 128 + code & 0x7F, String(decoding: output, as: UTF8.self))
}

/// A folder with the fixture plugin built in it, broken as the defines say.
final class BrokenPlugin {
  let folder = Place.temporaryFolder()
  var path: String { "\(folder)/libbroken.so" }
  var cache: String { "\(folder)/cache" }

  init(_ defines: [String] = [], link: [String] = ["-shared"]) {
    let source = "\(Place.repository)/Tests/Fixtures/broken.c"
    let include = "\(Place.repository)/SDK/CNodeABI/include"
    let (code, output) = run(
      ["cc", "-std=gnu11", "-O1", "-fPIC", "-fvisibility=hidden", "-I", include, "-o", path, source] + link + defines)
    precondition(code == 0, output)
  }

  deinit { run(["rm", "-rf", folder]) }
}
