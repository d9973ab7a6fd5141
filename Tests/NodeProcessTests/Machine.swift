import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// A machine for a test: a folder with manifests, plugins, states and the runtime folder, and the real
/// programs started in it.
final class Machine {
  struct Result {
    var code: Int32?
    var output: String
    var errors: String
    var all: String { output + errors }
  }

  static let roles = ["hello-swift", "hello-c", "hello-rust"].filter {
    access("\(Place.products)/lib\($0).so", F_OK) == 0
  }

  let folder = Place.temporaryFolder()
  private var programs: [Child] = []
  /// How many builds of the fixture there are.
  var builds = 0

  var runtimeFolder: String { "\(folder)/run" }
  var socket: String { "\(folder)/state/control.sock" }
  var record: String { "\(runtimeFolder)/node-a.json" }

  deinit {
    programs = []
    run(["rm", "-rf", folder])
  }

  func path(_ name: String) -> String { "\(folder)/\(name)" }
  func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

  func write(_ name: String, _ text: String) {
    let written = writeFile(path(name), Array(text.utf8), mode: 0o644)
    precondition(written, "cannot write \(name)")
  }

  func text(_ name: String) -> String {
    String(decoding: readFile(path(name), limit: 1 << 20) ?? [], as: UTF8.self)
  }

  // MARK: Manifests

  /// A manifest of some roles, one a line; `more` are whole sections. Its line 1 is `nodehost: 1`, and
  /// the roles begin at line 7.
  func manifest(
    _ roles: [String], named name: String = "node.yaml", node: String = "node-a", state: String = "state",
    plugins: String = "folders: [\(Place.products), ./plugins]", more: String = ""
  ) {
    write(
      name,
      """
      nodehost: 1
      node: { id: 1, name: \(node), address: 127.0.0.1, state: ./\(state) }
      plugins: { \(plugins) }
      loops: 2
      log: { level: debug }
      roles:
      \(roles.map { "  - { \($0) }" }.joined(separator: "\n"))
      \(more)

      """)
  }

  /// Builds the fixture, broken as the defines say, as a plugin of this name in ./plugins.
  func plugin(_ name: String, _ defines: [String] = [], link: [String] = ["-shared"]) -> String {
    let built = BrokenPlugin(defines, link: link)
    _ = makeFolder(path("plugins"))
    let target = path("plugins/lib\(name).so")
    let moved = rename(built.path, target)
    precondition(moved == 0, "cannot move \(built.path)")
    return target
  }

  /// Builds Tests/Fixtures/NAME.c as a plugin of this name in ./plugins.
  func fixture(_ name: String) {
    _ = makeFolder(path("plugins"))
    let (code, output) = run([
      "cc", "-std=gnu11", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-I",
      "\(Place.repository)/SDK/CNodeABI/include", "-o", path("plugins/lib\(name).so"),
      "\(Place.repository)/Tests/Fixtures/\(name).c",
    ])
    precondition(code == 0, output)
  }

  // MARK: Programs

  @discardableResult
  func start(_ words: String..., environment: [String] = []) -> Child { program("nodehost", words, environment) }

  /// A node that is ready: all of its roles run, or have failed for good.
  func ready(_ words: String..., place: SourceLocation = #_sourceLocation) throws -> Child {
    let node = program("nodehost", words.isEmpty ? ["node.yaml"] : words, [])
    try node.waits(for: "node: ready after", place: place)
    return node
  }

  func hostctl(_ words: String..., environment: [String] = []) -> Result { hostctl(words, environment: environment) }

  func hostctl(_ words: [String], environment: [String] = []) -> Result {
    result(program("hostctl", words, environment))
  }

  func nodehost(_ words: String...) -> Result { nodehost(words) }

  func nodehost(_ words: [String]) -> Result { result(program("nodehost", words, [])) }

  /// What `hostctl … --json` prints.
  func json(_ words: String..., place: SourceLocation = #_sourceLocation) throws -> JSON {
    let result = result(program("hostctl", words + ["--json"], []))
    try #require(result.code == 0, "\(result.all)", sourceLocation: place)
    return try JSON(parsing: result.output)
  }

  /// A role as `hostctl list` shows it.
  func role(_ name: String, place: SourceLocation = #_sourceLocation) throws -> JSON {
    let roles = try json("list", place: place)["roles"]?.array ?? []
    return try #require(roles.first { $0["name"]?.string == name }, "no role \(name)", sourceLocation: place)
  }

  private func program(_ name: String, _ words: [String], _ environment: [String]) -> Child {
    child("\(Place.products)/\(name)", words, environment: environment)
  }

  /// Any program; `inherits` names variables of the tests' own environment.
  func child(_ program: String, _ words: [String], environment: [String] = [], inherits: [String] = []) -> Child {
    let name = program.split(separator: "/").last ?? ""
    let inherited = inherits.compactMap { name in getenv(name).map { "\(name)=\(String(cString: $0))" } }
    let child = Child(
      program, words, folder: folder, files: path("\(name)-\(programs.count)"),
      environment: inherited + ["NODEHOST_RUNTIME_DIR=\(runtimeFolder)"] + environment)
    programs.append(child)
    return child
  }

  private func result(_ child: Child) -> Result {
    let code = child.end()
    return Result(code: code, output: child.output, errors: child.errors)
  }

  // MARK: A call in flight

  /// Sends a call to a role without waiting for its answer. When this returns, the call is in the role's
  /// queue, before anything that the node is told from now on.
  func call(_ role: String, _ method: String, _ words: [String], timeoutMilliseconds: Int = 60_000) throws -> OpenCall {
    let arguments = JSON.array(words.map(JSON.string))
    let body = "{\"words\":\(arguments),\"timeout_ms\":\(timeoutMilliseconds)}"
    let call = try OpenCall(socket, "/v1/roles/\(role)/call/\(method)", body)
    // The control loop takes connections in turn, so this answer comes after the call was handed over.
    _ = try json("version")
    return call
  }
}

/// One request to a control socket whose answer is still awaited.
final class OpenCall {
  private let descriptor: Int32

  init(_ path: String, _ target: String, _ body: String) throws {
    descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let status = withUnsafePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { connect(descriptor, $0, size) }
    }
    try #require(status == 0, "nobody answers at \(path)")
    let head = "POST \(target) HTTP/1.1\r\nHost: node\r\nConnection: close\r\n"
    let request = "\(head)Content-Length: \(body.utf8.count)\r\n\r\n\(body)"
    let sent = send(descriptor, request, request.utf8.count, Int32(MSG_NOSIGNAL))
    try #require(sent == request.utf8.count)
  }

  deinit { close(descriptor) }

  /// Whether some of the answer is there.
  var hasAnswer: Bool {
    var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    return poll(&waited, 1, 0) > 0
  }

  /// All that comes until the node closes the connection, which it does behind its answer.
  func answer() -> String {
    var answer: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 4096)
    var waited = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    while poll(&waited, 1, Int32(Child.patienceMilliseconds)) > 0 {
      let count = read(descriptor, &chunk, chunk.count)
      guard count > 0 else { break }
      answer += chunk[..<count]
    }
    return String(decoding: answer, as: UTF8.self)
  }
}
