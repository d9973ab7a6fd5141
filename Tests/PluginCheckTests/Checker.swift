import Glibc
import HostRuntime
import NodeValues
import Testing

/// The checker as a user runs it: the program, its output, its exit code.
struct Checker {
  static let repository: String = {
    let parts = #filePath.split(separator: "/").dropLast(3)
    return "/" + parts.joined(separator: "/")
  }()
  /// The test runner lies beside the executables and the plugins.
  static let products: String = {
    let own = resolvedPath("/proc/self/exe")!
    return String(own[..<own.lastIndex(of: "/")!])
  }()

  var code: Int32
  var output: String
  var errors: String

  /// Runs nodehost, or another program beside it.
  init(_ arguments: [String], program: String = "nodehost", environment: [String: String] = [:]) {
    let folder = TestFolder()
    code = spawn(
      ["\(Self.products)/\(program)"] + arguments, output: "\(folder.path)/out", errors: "\(folder.path)/errors",
      environment: environment)
    output = folder.text("out")
    errors = folder.text("errors")
  }

  /// A report's cases by id, from `--json`.
  static func report(_ path: String, _ options: [String] = []) throws -> [String: JSON] {
    let run = Checker(["check", "--json", "--seed", "1"] + options + [path])
    let cases = try #require((try? JSON(parsing: run.output))?["plugins"]?[0]?["cases"]?.array, "\(run)")
    return Dictionary(uniqueKeysWithValues: cases.map { ($0["id"]?.string ?? "", $0) })
  }

  static func report(_ plugin: CheckedPlugin, _ options: [String] = []) throws -> [String: JSON] {
    try withExtendedLifetime(plugin) { try report(plugin.path, options) }
  }

  init(_ arguments: [String], _ plugin: CheckedPlugin) {
    self = withExtendedLifetime(plugin) { Checker(arguments + [plugin.path]) }
  }
}

/// A folder for one test.
final class TestFolder {
  let path: String

  init() {
    var template = Array("/tmp/nodehost-test-XXXXXX".utf8CString)
    path = String(cString: mkdtemp(&template)!)
  }

  deinit { _ = spawn(["/bin/rm", "-rf", path], output: "/dev/null", errors: "/dev/null") }

  func text(_ name: String) -> String {
    readFile("\(path)/\(name)", limit: 1 << 24).map { String(decoding: $0, as: UTF8.self) } ?? ""
  }
}

/// Runs a program to its end, with its outputs in files: no pipe that a neighbour could inherit. Its exit
/// code, or 128 and the signal.
func spawn(_ arguments: [String], output: String, errors: String, environment: [String: String] = [:]) -> Int32 {
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
  if errors == output {
    posix_spawn_file_actions_adddup2(&actions, 1, 2)
  } else {
    posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
  }
  var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
  let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
  let variables = ["PATH": path, "HOME": "/tmp"].merging(environment) { $1 }
  var settings: [UnsafeMutablePointer<CChar>?] = variables.map { strdup("\($0)=\($1)") } + [nil]
  defer { for text in words + settings { free(text) } }
  var process = pid_t()
  guard posix_spawnp(&process, arguments[0], &actions, nil, &words, &settings) == 0 else { return 127 }
  var status: Int32 = 0
  while waitpid(process, &status, 0) < 0, errno == EINTR {}
  return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
}

/// The fixture role, which keeps every rule but the one that the defines name.
final class CheckedPlugin {
  let folder = TestFolder()
  var path: String { "\(folder.path)/libchecked.so" }

  init(_ flags: [String] = [], source: String = "checked") {
    let code = spawn(
      ["cc", "-std=gnu11", "-O1", "-fPIC", "-fvisibility=hidden", "-shared", "-pthread"]
        + ["-I", "\(Checker.repository)/SDK/CNodeABI/include", "-o", path]
        + ["\(Checker.repository)/Tests/Fixtures/\(source).c"] + flags,
      output: "\(folder.path)/cc", errors: "\(folder.path)/cc")
    precondition(code == 0, folder.text("cc"))
  }
}
