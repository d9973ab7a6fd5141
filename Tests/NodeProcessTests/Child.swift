import Glibc
import HostRuntime
import Testing

/// A program that a test has started, with what it prints in files. Whatever comes of the test, the
/// program does not outlive it.
final class Child {
  /// Nothing here takes longer, unless it hangs: not under a sanitizer either, nor on a machine that does much else.
  static let patienceMilliseconds = 30_000

  let process: pid_t
  private let outputPath: String
  private let errorsPath: String
  private var code: Int32?

  var output: String { Self.text(outputPath) }
  var errors: String { Self.text(errorsPath) }

  /// `files` is the path of both outputs, without ending.
  init(_ program: String, _ words: [String], folder: String, files: String, environment: [String] = []) {
    (outputPath, errorsPath) = ("\(files).out", "\(files).err")
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    for (descriptor, path) in [(Int32(1), outputPath), (2, errorsPath)] {
      posix_spawn_file_actions_addopen(&actions, descriptor, path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0o600)
    }
    var attributes = Self.attributes()
    defer { posix_spawnattr_destroy(&attributes) }
    // `env` changes the folder and becomes the program.
    var arguments = (["env", "-C", folder, program] + words).map { strdup($0) } + [nil]
    let path = environment.contains { $0.hasPrefix("PATH=") } ? [] : ["PATH=/usr/bin:/bin"]
    var variables = (path + Self.sanitizing + environment).map { strdup($0) } + [nil]
    defer { for pointer in arguments + variables { free(pointer) } }
    var started = pid_t()
    let status = posix_spawn(&started, "/usr/bin/env", &actions, &attributes, &arguments, &variables)
    precondition(status == 0, "cannot start \(program)")
    process = started
  }

  /// What Tests/sanitize sets, for the children too (Swift's own crash report would be a fault to a sanitizer); nothing
  /// What Tests/sanitize sets, for the children too: to a sanitizer, Swift's own crash report would be a fault. Nothing
  /// on to itself until the process ends.
  private static var sanitizing: [String] {
    ["LD_PRELOAD", "TSAN_OPTIONS", "ASAN_OPTIONS", "SWIFT_BACKTRACE"].compactMap { (name: String) in
      getenv(name).map { "\(name)=\(String(cString: $0))" + (name == "ASAN_OPTIONS" ? ":detect_leaks=0" : "") }
    }
  }

  deinit {
    guard code == nil else { return }
    kill(process, SIGKILL)
    var status: Int32 = 0
    waitpid(process, &status, 0)
  }

  /// Threads of a test runner block signals, and `nohup` ignores some: a child would inherit both.
  private static func attributes() -> posix_spawnattr_t {
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    var none = sigset_t(), usual = sigset_t()
    sigemptyset(&none)
    sigemptyset(&usual)
    for signal in [SIGTERM, SIGINT, SIGHUP, SIGPIPE] { sigaddset(&usual, signal) }
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setsigdefault(&attributes, &usual)
    posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    return attributes
  }

  private static func text(_ path: String) -> String {
    String(decoding: readFile(path, limit: 1 << 20) ?? [], as: UTF8.self)
  }

  func send(_ signal: Int32) { kill(process, signal) }

  /// The exit code, 128 and the signal if one ended it, or nil if it does not end in time.
  func end(within milliseconds: Int = Child.patienceMilliseconds) -> Int32? {
    for _ in 0..<milliseconds {
      if let code = endedAlready() { return code }
      usleep(1000)
    }
    return nil
  }

  func endedAlready() -> Int32? {
    if let code { return code }
    var status: Int32 = 0
    guard waitpid(process, &status, WNOHANG) == process else { return nil }
    code = status & 0x7F == 0 ? status >> 8 & 0xFF : 128 + status & 0x7F
    return code
  }

  /// Waits until it has written the text to standard error `times` times.
  func waits(
    for text: String, times: Int = 1, place: SourceLocation = #_sourceLocation
  ) throws {
    try waits(for: text, times, in: { self.errors }, place)
  }

  /// The same, for standard output.
  func saysOnOutput(_ text: String, place: SourceLocation = #_sourceLocation) throws {
    try waits(for: text, 1, in: { self.output }, place)
  }

  private func waits(for text: String, _ times: Int, in output: () -> String, _ place: SourceLocation) throws {
    for _ in 0..<(Child.patienceMilliseconds / 5) {
      let hasEnded = endedAlready() != nil
      if output().split(separator: text, omittingEmptySubsequences: false).count > times { return }
      if hasEnded { break }
      usleep(5000)
    }
    let shown = Comment(rawValue: "never said \"\(text)\":\n\(self.output)\n\(errors)")
    try #require(Bool(false), shown, sourceLocation: place)
  }
}
