import Glibc
import HostCore
import HostRuntime
import Testing

/// Bounds whose examples are too long to be read in a scenario file, and what only real files can show.
@Suite struct ManifestBoundsTests {
  private static let head = "nodehost: 1\nnode: { id: 1 }\n"
  private static var none: Interpolation {
    Interpolation(variable: { _ in nil }, file: { _ in .failure(.init("is not there")) })
  }

  private func errors(_ text: String, values: Interpolation = none) -> ManifestProblems? {
    errors(Array(text.utf8), values: values)
  }

  private func errors(
    _ bytes: [UInt8], overrides: ManifestOverrides = ManifestOverrides(), values: Interpolation = none
  ) -> ManifestProblems? {
    do throws(ManifestProblems) {
      _ = try ManifestFile.parse(bytes, named: "node.yaml", overrides: overrides, values: values)
      return nil
    } catch {
      return error
    }
  }

  private func role(config: String) -> String { "\(Self.head)roles: [{ role: a, config: \(config) }]\n" }

  /// The root, `roles`, its item and `config` are four levels of the 64.
  @Test func nestsSixtyFourLevels() throws {
    func nested(_ levels: Int) -> String {
      role(config: "{ x: " + String(repeating: "[", count: levels) + String(repeating: "]", count: levels) + " }")
    }
    #expect(errors(nested(60)) == nil)
    let fault = try #require(errors(nested(61))?.diagnostics.first)
    #expect(fault.message == "lists and mappings are nested deeper than 64 levels")
    #expect(fault.position?.line == 3)
    #expect(fault.position?.column == 33 + 60)
    // However deep it goes on.
    let deeper = try #require(errors(nested(100_000))?.diagnostics.first)
    #expect(deeper.headline == fault.headline)
  }

  @Test func aliasesCannotNestDeeper() {
    var text = Self.head + "a0: &a0 [x]\n"
    for level in 1...40 { text += "a\(level): &a\(level) [[*a\(level - 1)]]\n" }
    #expect(errors(text)?.diagnostics.contains { $0.message.hasPrefix("lists and mappings are nested") } == true)
  }

  @Test func argumentsCannotNestDeeper() {
    let path = (0..<59).map { "k\($0)" }.joined(separator: ".")
    func errors(_ value: String) -> String? {
      self.errors(
        Array(role(config: "{}").utf8), overrides: ManifestOverrides(settings: ["roles.a.config.\(path)=\(value)"]))?
        .diagnostics.first?.message
    }
    #expect(errors("[[1]]") == nil)
    #expect(errors("[[[1]]]") == "lists and mappings would be nested deeper than 64 levels")
  }

  @Test func fourMegabytesAreTheMost() {
    let room = (4 << 20) - Self.head.utf8.count - 2
    let filler = "#" + String(repeating: "x", count: room)
    #expect(errors("\(Self.head)\(filler)\n") == nil)
    let message = errors("\(Self.head)\(filler)x\n")?.diagnostics.first?.headline
    #expect(message == "node.yaml:1:1: error: the document is longer than 4194304 bytes")
  }

  /// A manifest that is wrong from end to end says so in fifty errors.
  @Test func fiftyErrorsAreShown() {
    let problems = errors(Self.head + (0..<1000).map { "x\($0): 1\n" }.joined())
    #expect(problems?.diagnostics.count == 50)
    #expect(problems?.omitted == 950)
    #expect(problems?.description.hasSuffix("\nand 950 more") == true)
  }

  /// Each reference brings 64 KiB, and aliases repeat it.
  @Test func expansionHasABound() {
    let values = Interpolation(
      variable: { _ in String(repeating: "x", count: 64 << 10) }, file: { _ in .failure(.init("is not there")) })
    func text(_ count: Int) -> String {
      role(
        config: "{ a: &a \"${A}\", b: [" + [String](repeating: "*a", count: count - 1).joined(separator: ",") + "] }")
    }
    #expect(errors(text(256), values: values) == nil)
    let problems = errors(text(1000), values: values)
    #expect(problems?.diagnostics.map(\.message) == ["the expanded values are longer than 16777216 bytes together"])
  }

  /// Ten thousand wrong aliases would each list a hundred thousand anchors.
  @Test(.timeLimit(.minutes(1))) func manyAnchorsAndWrongAliasesAreQuick() {
    let anchors = (0..<60_000).map { "&a\($0) x" }.joined(separator: ", ")
    let aliases = [String](repeating: "*zz", count: 60_000).joined(separator: ", ")
    #expect(errors("\(Self.head)a: [\(anchors)]\nb: [\(aliases)]\n") != nil)
  }

  @Test func longWordsAreCut() throws {
    let key = String(repeating: "k", count: 100_000)
    let fault = try #require(errors("\(Self.head)? \(key)\n: 1\n")?.diagnostics.first)
    #expect(fault.message.count < 500)
    #expect(fault.description.count < 1000)
  }

  @Test func tooManyListenersPeersAndRoles() {
    func message(_ text: String) -> String? { errors(Self.head + text)?.diagnostics.first?.message }
    let listeners = (0...100).map { "  l\($0): { address: \"h:1\" }\n" }.joined()
    #expect(message("listen:\n\(listeners)") == "`listen` has more than 100 entries")
    let peers = (0...10_000).map { "    \($0 + 1): \"h:1\"\n" }.joined()
    #expect(message("cluster:\n  peers:\n\(peers)") == "`cluster.peers` has more than 10000 entries")
    let roles = (0...10_000).map { "  - role: r\($0)\n" }.joined()
    #expect(message("roles:\n\(roles)") == "there are more than 10000 roles")
  }

  /// A chain of needs as long as the list, which a recursive walk would not survive.
  @Test func longChainsOfNeeds() throws {
    let chain = (0..<5000).map { "  - { role: r\($0), needs: r\($0 + 1) }\n" }.joined()
    let manifest = try ManifestFile.parse(
      Array("\(Self.head)roles:\n\(chain)  - role: r5000\n".utf8), named: "node.yaml", values: Self.none
    ).manifest
    #expect(manifest.startOrder == (0...5000).reversed())
    let circle = try #require(errors("\(Self.head)roles:\n\(chain)  - { role: r5000, needs: r0 }\n"))
    #expect(circle.diagnostics.map(\.message).first?.hasSuffix("r18 → r19 → …") == true)
    #expect(circle.diagnostics.count == 1)
  }
}

/// Manifests and the files they name, read from a folder.
@Suite final class ManifestFilesTests {
  private let folder = Place.temporaryFolder()
  private var path: String { "\(folder)/node.yaml" }

  deinit { run(["rm", "-rf", folder]) }

  private func write(_ name: String, _ text: String) throws {
    try #require(writeFile("\(folder)/\(name)", Array(text.utf8), mode: 0o600))
  }

  private func headline() -> String? {
    do throws(ManifestProblems) {
      _ = try ManifestFile.read(path: path, environment: { _ in nil })
      return nil
    } catch {
      return error.diagnostics.first?.headline
    }
  }

  private func keyed(by file: String) throws {
    try write("node.yaml", "nodehost: 1\nnode: { id: 1 }\ncluster: { key: \"${file:\(file)}\" }\n")
  }

  @Test func filesLieBesideTheManifest() throws {
    try keyed(by: "./cluster.key")
    try write("cluster.key", "s3cret\n")
    let manifest = try ManifestFile.read(path: path, environment: { _ in nil }).manifest
    #expect(manifest.cluster.key == Secret("s3cret"))
    #expect(manifest.node.state == "\(folder)/state")
    // Nobody who prints a manifest prints the secret.
    #expect(!"\(manifest)".contains("s3cret"))
    var dumped = ""
    dump(manifest, to: &dumped)
    #expect(!dumped.contains("s3cret"))
  }

  @Test func theEnvironmentIsTheProcesses() throws {
    try write("node.yaml", "nodehost: 1\nnode: { id: 1, name: \"${NODEHOST_TEST_NAME}\" }\n")
    setenv("NODEHOST_TEST_NAME", "from-outside", 1)
    #expect(try ManifestFile.read(path: path).manifest.node.name == "from-outside")
  }

  @Test func whatCannotBeRead() throws {
    #expect(headline() == "\(path): error: cannot be read: No such file or directory")
    try keyed(by: "cluster.key")
    func problem() -> String? { headline().map { String($0.dropFirst("\(path):3:18: error: the file ".count)) } }
    #expect(problem() == "`cluster.key` cannot be read: No such file or directory")
    try write("cluster.key", String(repeating: "k", count: 65_536))
    #expect(problem() == nil)
    try write("cluster.key", String(repeating: "k", count: 65_537))
    #expect(problem() == "`cluster.key` is longer than 65536 bytes")
    try #require(writeFile("\(folder)/cluster.key", [0xFF, 0x00], mode: 0o600))
    #expect(problem() == "`cluster.key` is not UTF-8 text")
    try keyed(by: folder)
    #expect(problem() == "`\(folder)` cannot be read: Is a directory")
    // A file without an end.
    try keyed(by: "/dev/zero")
    #expect(problem() == "`/dev/zero` is longer than 65536 bytes")
  }

  /// A pipe that nobody writes to is empty; it must not stop the host.
  @Test(.timeLimit(.minutes(1))) func namedPipes() throws {
    try keyed(by: "pipe")
    try #require(mkfifo("\(folder)/pipe", 0o600) == 0)
    #expect(headline() == "\(path):3:17: error: `key` is `${file:pipe}`")
  }

  @Test func aManifestThatIsTooLong() throws {
    try write("node.yaml", String(repeating: "#", count: (4 << 20) + 1))
    #expect(headline() == "\(path): error: is longer than 4194304 bytes")
  }

  /// `address: auto` takes the address that routes to the first peer which is not the node itself.
  @Test func automaticAddress() throws {
    func address(_ node: String) throws -> String {
      try write(
        "node.yaml",
        "nodehost: 1\nnode: { id: 1\(node) }\ncluster: { peers: { 1: \"192.0.2.9:1\", 2: \"127.0.0.1:1\" } }\n")
      return LocalAddress.choose(for: try ManifestFile.read(path: path).manifest)
    }
    #expect(try address("") == "127.0.0.1")
    #expect(try address(", address: auto") == "127.0.0.1")
    #expect(try address(", address: node-a.example") == "node-a.example")
  }

  @Test(arguments: shippedManifests) func shippedManifestsAreRight(_ name: String) throws {
    let text = try #require(readFile(name, limit: 1 << 20))
    #expect(text.first == UInt8(ascii: "#"), "\(name) should open with a comment")
    _ = try ManifestFile.read(
      path: name, environment: { $0 == "ENCRYPTION_KEY" ? String(repeating: "5c", count: 32) : nil })
  }

  /// One line of text, as a variable holds it, or a file that other programs read as well.
  @Test func peersInOneLineAndFromAFile() throws {
    func peers(_ cluster: String) throws -> [String] {
      try write("node.yaml", "nodehost: 1\nnode: { id: 1 }\ncluster: { \(cluster) }\n")
      return try ManifestFile.read(path: path).manifest.cluster.peers.map { "\($0.id) \($0.address)" }
    }
    let wanted = ["1 10.0.0.1:7001", "2 node-b:7002"]
    #expect(try peers("peers: \"${NOBODY:-1=10.0.0.1:7001, 2=node-b:7002}\"") == wanted)
    #expect(try peers("peers: \"1=10.0.0.1:6901,2=node-b:6902\", peer_port_offset: 100, peers_from: \"\"") == wanted)
    let list = #"{"id": 1, "address": "10.0.0.1:7001"}, {"id": 2, "address": "node-b:7002"}"#
    try write("config.json", #"{"peers": [\#(list)], "shared_dir": "/x"}"#)
    #expect(try peers("peers: { 9: \"other:1\" }, peers_from: config.json") == wanted)
    for (wrong, complaint) in [
      ("peers: \"1:7001\"", "`1:7001=` is no peer"), ("peers: \"1=a:7,1=b:7\"", "the peer 1 is there twice"),
      ("peers: \"1=a:7\", peer_port_offset: -7", "the port of peer 1 would be 0"),
      ("peers_from: nothing.json", "`nothing.json` cannot be read"),
    ] {
      try write("node.yaml", "nodehost: 1\nnode: { id: 1 }\ncluster: { \(wrong) }\n")
      #expect(headline()?.contains(complaint) == true, "\(headline() ?? "")")
    }
  }

  static let shippedManifests = filesIn("\(Place.repository)/manifests").sorted().flatMap { folder in
    filesIn("\(Place.repository)/manifests/\(folder)").filter { $0.hasSuffix(".yaml") }.sorted().map {
      "\(Place.repository)/manifests/\(folder)/\($0)"
    }
  }
}
