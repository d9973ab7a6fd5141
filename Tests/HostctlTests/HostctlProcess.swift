import Glibc
import HostCore
import NodeValues

/// Runs the built hostctl in a folder of its own, as a shell would.
final class Workbench {
  struct Result: Equatable {
    var code: Int32
    var output: String
    var errors: String
  }

  /// Nothing here takes longer, unless it hangs.
  private static let patienceMilliseconds = 10_000

  let folder: String
  private var nodes: [FakeNode] = []

  init() {
    var template = Array("/tmp/hostctl-test-XXXXXX".utf8CString)
    folder = template.withUnsafeMutableBufferPointer { String(cString: mkdtemp($0.baseAddress!)) }
  }

  deinit {
    for node in nodes { node.stop() }
    for name in names(folder) { unlink("\(folder)/\(name)") }
    rmdir(folder)
  }

  private func names(_ folder: String) -> [String] {
    guard let stream = opendir(folder) else { return [] }
    defer { closedir(stream) }
    var names: [String] = []
    while let entry = readdir(stream) {
      names.append(
        withUnsafeBytes(of: &entry.pointee.d_name) { String(cString: $0.bindMemory(to: CChar.self).baseAddress!) })
    }
    return names
  }

  /// A running node with its record.
  @discardableResult
  func node(_ name: String, _ handler: @escaping FakeNode.Handler) -> FakeNode {
    let node = FakeNode("\(folder)/\(name).sock", handler)
    nodes.append(node)
    record(name)
    return node
  }

  func record(_ name: String) {
    let record = NodeRecord(
      name: name, id: 1, pid: 4711, socket: "\(folder)/\(name).sock", manifest: "/etc/\(name).yaml",
      startedMilliseconds: 1)
    write(RuntimeFolder.fileName(of: name), record.file)
  }

  func write(_ name: String, _ bytes: [UInt8]) {
    let file = fopen("\(folder)/\(name)", "w")!
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
  }

  /// The executables lie beside the test bundle.
  static var executable: String {
    var path = [UInt8](repeating: 0, count: 4096)
    let count = path.withUnsafeMutableBytes { readlink("/proc/self/exe", $0.baseAddress!, $0.count) }
    return String(decoding: path[..<path[..<count].lastIndex(of: 0x2F)!], as: UTF8.self) + "/hostctl"
  }

  /// `output` -1 collects what is written; `interruptAfter` sends SIGINT once that text has been written.
  func run(
    _ words: String..., executable: String = Workbench.executable, environment: [String] = [], output: Int32 = -1,
    interruptAfter: String? = nil
  ) -> Result {
    let paths = ["out", "err"].map { "\(folder)/\($0)" }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    for (place, path) in paths.enumerated() {
      posix_spawn_file_actions_addopen(&actions, Int32(place) + 1, path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    }
    if output >= 0 { posix_spawn_file_actions_adddup2(&actions, output, 1) }
    var arguments = (["hostctl"] + words).map { strdup($0) } + [nil]
    let base = ["NODEHOST_RUNTIME_DIR=\(folder)", "PATH=/usr/bin:/bin", "TERM=xterm"]
    var variables = (base + environment).map { strdup($0) } + [nil]
    defer { for pointer in arguments + variables { free(pointer) } }
    // Test threads block signals, and a child would inherit that.
    var attributes = posix_spawnattr_t()
    var noSignals = sigset_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    posix_spawnattr_setsigmask(&attributes, &noSignals)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
    var pid: pid_t = 0
    guard posix_spawn(&pid, executable, &actions, &attributes, &arguments, &variables) == 0 else {
      return Result(code: -1, output: "", errors: "cannot start \(executable)")
    }
    let code = wait(for: pid, interruptAfter, paths[0])
    return Result(code: code, output: output >= 0 ? "" : read(paths[0]), errors: read(paths[1]))
  }

  private func wait(for pid: pid_t, _ text: String?, _ path: String) -> Int32 {
    var status: Int32 = 0, waiting = text
    for _ in 0..<Self.patienceMilliseconds {
      if waitpid(pid, &status, WNOHANG) == pid {
        return status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
      }
      if let sign = waiting, read(path).contains(sign) {
        kill(pid, SIGINT)
        waiting = nil
      }
      usleep(1000)
    }
    kill(pid, SIGKILL)
    waitpid(pid, &status, 0)
    return -2
  }

  private func read(_ path: String) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let count = fread(&bytes, 1, bytes.count, file)
    return String(decoding: bytes[..<count], as: UTF8.self)
  }
}
