import Glibc

/// Where things are, for tests that build and load.
enum Project {
  static let root = parent(parent(parent(#filePath)))
  static let headers = root + "/SDK/CNodeABI"
  /// The libraries that `swift build` makes lie beside the program that runs the tests.
  static let products: String = {
    var room = [CChar](repeating: 0, count: 4096)
    let count = readlink("/proc/self/exe", &room, room.count - 1)
    return parent(String(decoding: room.prefix(count).map { UInt8(bitPattern: $0) }, as: UTF8.self))
  }()

  static func parent(_ path: String) -> String {
    String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)])
  }
}

/// A folder that lasts as long as this object.
final class TemporaryFolder {
  let path: String

  init() {
    var name = Array("/tmp/nodehost-tests-XXXXXX".utf8CString)
    path = mkdtemp(&name).map { String(cString: $0) } ?? "/tmp"
  }

  deinit { if path != "/tmp" { _ = try? Program.run(["rm", "-rf", path]) } }

  func write(_ name: String, _ text: String) throws -> String {
    let file = path + "/" + name
    guard let stream = fopen(file, "w") else { throw ProgramError(description: "cannot write \(file)") }
    fputs(text, stream)
    fclose(stream)
    return file
  }
}

struct ProgramError: Error, CustomStringConvertible { var description: String }

/// Other programs, run to their end.
enum Program {
  struct Outcome { var status: Int32, output: String }

  static func run(_ arguments: [String]) throws -> Outcome {
    var pipes: [Int32] = [0, 0]
    guard pipe(&pipes) == 0 else { throw ProgramError(description: "no pipe") }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    posix_spawn_file_actions_adddup2(&actions, pipes[1], 1)
    posix_spawn_file_actions_adddup2(&actions, pipes[1], 2)
    posix_spawn_file_actions_addclose(&actions, pipes[0])
    defer { posix_spawn_file_actions_destroy(&actions) }
    let words = arguments.map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var process = pid_t()
    let failure = posix_spawnp(&process, arguments[0], &actions, nil, words, environ)
    close(pipes[1])
    defer { close(pipes[0]) }
    guard failure == 0 else {
      throw ProgramError(description: "\(arguments[0]): \(String(cString: strerror(failure)))")
    }
    let output = readAll(pipes[0])
    var status: Int32 = 0
    waitpid(process, &status, 0)
    return Outcome(status: status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F, output: output)
  }

  static func find(_ name: String) -> String? {
    let found = try? run(["sh", "-c", "command -v " + name])
    return found?.status == 0 ? found?.output.split(separator: "\n").first.map(String.init) : nil
  }

  /// The compiler of the Swift toolchain, which is there wherever these tests run.
  static let clang: String = {
    let swift = find("swift").flatMap { try? run(["readlink", "-f", $0]).output.split(separator: "\n").first }
    let beside = swift.map { Project.parent(String($0)) + "/clang" }
    return beside.flatMap(find) ?? "clang"
  }()

  private static func readAll(_ descriptor: Int32) -> String {
    var bytes: [UInt8] = []
    var room = [UInt8](repeating: 0, count: 65536)
    while true {
      let count = read(descriptor, &room, room.count)
      guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
      bytes += room.prefix(count)
    }
  }
}
