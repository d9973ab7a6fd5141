import Glibc
import HostRuntime
import NodeValues
import Testing

/// The SDK as it is installed, and projects outside this repository that are built against it.
@Suite(.serialized) struct InstallTests {
  /// One installation for all tests here, removed at the end of the program.
  private static let prefix = Result { () throws -> String in
    let folder = Place.temporaryFolder()
    let path = "\(folder)/with a space"
    let (code, output) = run(["\(Place.repository)/Host/install", Place.products, path])
    try #require(code == 0, "\(output)")
    installed = folder
    atexit { if let folder = InstallTests.installed { run(["rm", "-rf", folder]) } }
    return path
  }
  private nonisolated(unsafe) static var installed: String?

  let machine = Machine()

  /// A language, and the commands that build and test a project in it.
  struct Language: Sendable, CustomTestStringConvertible {
    var name: String
    var build: [String]
    var library: String
    var test: [String]
    var passes: String
    var testDescription: String { name }

    static let all = [
      Language(
        name: "swift", build: ["swift", "build"], library: ".build/debug/libtea-time.so", test: ["swift", "test"],
        passes: "3 tests in 1 suite passed"),
      Language(
        name: "c", build: ["make"], library: "build/libtea-time.so", test: ["make", "test"], passes: "3 tests passed"),
      Language(
        name: "rust", build: ["cargo", "build"], library: "target/debug/libtea_time.so", test: ["cargo", "test"],
        passes: "3 passed; 0 failed"),
    ]
    static let available = all.filter { run(["sh", "-c", "command -v \($0.build[0])"]).code == 0 }
  }

  @Test func hasEverythingInItsPlace() throws {
    let prefix = try Self.prefix.get()
    for path in [
      "bin/nodehost", "bin/hostctl", "include/nodehost.h", "include/nodehost/timer.h", "lib/pkgconfig/nodehost.pc",
      "share/nodehost/Package.swift", "share/nodehost/CNodeABI/plugin.map", "share/nodehost/Templates/rust/nodehost.rs",
      "share/man/man1/nodehost.1", "share/man/man1/hostctl.1", "share/bash-completion/completions/hostctl",
      "share/zsh/site-functions/_hostctl", "share/fish/vendor_completions.d/nodehost.fish",
    ] { #expect(machine.exists("\(prefix)/\(path)"), "\(path) is missing") }
    #expect(run(["grep", "-rl", Place.repository, "\(prefix)/share", "\(prefix)/lib"]).output == "")
  }

  @Test(.enabled(if: run(["sh", "-c", "command -v pkg-config"]).code == 0))
  func pkgConfigLeadsToTheHeaders() throws {
    let prefix = try Self.prefix.get()
    machine.write("plugin.c", "#include <nodehost.h>\nint x = NH_ABI_MAJOR;\n")
    let command = """
      eval "cc -fsyntax-only $(PKG_CONFIG_PATH="$1/lib/pkgconfig" pkg-config --cflags nodehost) $2"
      """
    let (code, output) = run(["sh", "-c", command, "sh", prefix, machine.path("plugin.c")])
    #expect(code == 0, "\(output)")
  }

  @Test(.timeLimit(.minutes(5)), arguments: Language.available)
  func newProjectsAreBuiltTestedAndRun(_ language: Language) throws {
    let bin = try Self.prefix.get() + "/bin", project = machine.path("project")
    try must(["\(bin)/hostctl", "new", "tea-time", "--lang", language.name, "--dir", project])
    try must(["env", "-C", project] + language.build)
    let tests = try must(["env", "-C", project] + language.test)
    #expect(tests.contains(language.passes), "\(tests)")
    try must(["\(bin)/nodehost", "check", "\(project)/\(language.library)"])
    let check = try must(["\(bin)/nodehost", "\(project)/node.yaml", "--check"])
    #expect(check.contains("tea-time  tea"), "\(check)")
    if language.name == "swift" { try editsGoLiveQuickly(bin, project) }
  }

  /// An edit takes one call of the compiler, past the package manager, and what comes out is the edited role.
  private func editsGoLiveQuickly(_ bin: String, _ project: String) throws {
    let object = "\(project)/.build/debug/TeaTimePlugin.build/TeaTime.swift.o"
    let session = machine.child("\(bin)/hostctl", ["dev", project], inherits: ["PATH", "HOME"])
    try session.saysOnOutput("live in")
    let before = try #require(status(object))
    try must(["sed", "-i", "s/return sum/return sum * 10/", "\(project)/Sources/TeaTime.swift"])
    try session.saysOnOutput("generation 3")
    #expect(
      run(["env", "NODEHOST_RUNTIME_DIR=\(machine.runtimeFolder)", "\(bin)/hostctl", "call", "tea-time", "add", "4"])
        .output == "40\n")
    #expect(status(object) == before, "the package manager was asked")
    session.send(SIGINT)
    #expect(session.end() == 0)
  }

  private func status(_ path: String) -> Int? {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_mtim.tv_nsec : nil
  }

  @discardableResult
  private func must(_ command: [String]) throws -> String {
    // What a process leaves to its end is no leak; see Child.
    let quiet = getenv("ASAN_OPTIONS").map { ["env", "ASAN_OPTIONS=\(String(cString: $0)):detect_leaks=0"] } ?? []
    let (code, output) = run(quiet + command)
    try #require(code == 0, "\(command.joined(separator: " ")):\n\(output)")
    return output
  }
}
