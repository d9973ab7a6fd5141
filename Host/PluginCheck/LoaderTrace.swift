import Glibc
import HostRuntime

/// Asks the system's loader what a library lacks: it resolves every name, as `ldd -r` does, and runs
/// nothing.
enum LoaderTrace {
  #if arch(x86_64)
    private static let loader = "/lib64/ld-linux-x86-64.so.2"
  #elseif arch(arm64)
    private static let loader = "/lib/ld-linux-aarch64.so.1"
  #endif

  /// The names and libraries that nobody has.
  static func missing(of library: String) -> [String] {
    let paths = getenv("LD_LIBRARY_PATH").map { ["LD_LIBRARY_PATH=" + String(cString: $0)] } ?? []
    let environment = ["LD_TRACE_LOADED_OBJECTS=1", "LD_WARN=1", "LD_BIND_NOW=1"] + paths
    return output(of: [loader, library], environment).split(separator: "\n").compactMap(missing)
  }

  private static func missing(_ line: Substring) -> String? {
    let words = line.split { $0 == " " || $0 == "\t" }
    if line.hasPrefix("undefined symbol: "), words.count > 2 {
      // What comes behind it, in some loaders, is a version or the library.
      return words[2].split(separator: ",").first.map(String.init)
    }
    if line.hasSuffix("=> not found") { return words.first.map(String.init) }
    if line.contains(": version `"), line.contains("' not found") {
      return line.split(separator: "`").dropFirst().first?.split(separator: "'").first.map(String.init)
    }
    return nil
  }

  private static func output(of arguments: [String], _ environment: [String]) -> String {
    var ends: [Int32] = [0, 0]
    guard pipe(&ends) == 0 else { return "" }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO)
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO)
    posix_spawn_file_actions_addclose(&actions, ends[0])
    posix_spawn_file_actions_addclose(&actions, ends[1])
    var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    var variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup($0) } + [nil]
    defer { for text in words + variables { free(text) } }
    var process = pid_t()
    let status = posix_spawn(&process, arguments[0], &actions, nil, &words, &variables)
    close(ends[1])
    defer { close(ends[0]) }
    guard status == 0 else { return "" }
    var output: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16 << 10)
    while case let count = read(ends[0], &chunk, chunk.count), count > 0 { output += chunk[..<count] }
    waitpid(process, nil, 0)
    return String(decoding: output, as: UTF8.self)
  }
}
