import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// However a new build comes into the plugin folder, it is taken over once, when it is whole.
@Suite struct SwapFilesTests {
  let machine = Machine()

  private func begin() throws -> Child {
    machine.install(1)
    machine.manifest(["role: swapper"], plugins: Machine.whereOn)
    let node = try machine.ready()
    #expect(machine.ask("next") == 1)
    return node
  }

  /// Waits for the build, and for what might follow it.
  private func expectOneSwap(_ node: Child, to build: Int, place: SourceLocation = #_sourceLocation) throws {
    try node.waits(for: "swapper: swapped: 1.0.\(build), generation \(build)", place: place)
    calmDown()
    #expect(node.count(of: ": swapped: ") == build - 1, "\(node.errors)", sourceLocation: place)
    #expect(node.count(of: "not swapped") == 0, "\(node.errors)", sourceLocation: place)
    #expect(machine.ask("build") == build && machine.ask("count") == 1, sourceLocation: place)
  }

  private var target: String { machine.path("plugins/libswapper.so") }

  /// What a writer does with each of a hundred pieces.
  enum Writer: CaseIterable { case keepsItOpen, opensItEachTime }

  @Test(arguments: Writer.allCases)
  func aHundredPiecesAreOneBuild(_ writer: Writer) throws {
    let node = try begin()
    let bytes = try #require(readFile(machine.swapper(2), limit: 1 << 24))
    let size = bytes.count / 100 + 1
    unlink(target)
    var file = open(target, O_WRONLY | O_CREAT | O_TRUNC, 0o755)
    for start in stride(from: 0, to: bytes.count, by: size) {
      let piece = Array(bytes[start..<min(start + size, bytes.count)])
      #expect(write(file, piece, piece.count) == piece.count)
      if writer == .opensItEachTime {
        close(file)
        file = open(target, O_WRONLY | O_APPEND)
      }
      // Mostly faster than the node waits for more, sometimes slower.
      usleep(start % 7 == 0 ? 45_000 : 4_000)
    }
    if writer == .keepsItOpen { #expect(machine.ask("build") == 1) }
    close(file)
    try expectOneSwap(node, to: 2)
    if writer == .opensItEachTime { #expect(node.count(of: "libswapper.so is not whole yet") > 0) }
  }

  @Test func copiesAndMovesAreOneBuildEach() throws {
    let node = try begin()
    // Over the file that is there, and to where none is.
    #expect(run(["cp", machine.swapper(2), target]).code == 0)
    try expectOneSwap(node, to: 2)
    unlink(target)
    #expect(run(["cp", machine.swapper(3), target]).code == 0)
    try expectOneSwap(node, to: 3)
    #expect(run(["mv", machine.swapper(4), target]).code == 0)
    try expectOneSwap(node, to: 4)
    #expect(run(["install", "-m", "755", machine.swapper(5), target]).code == 0)
    try expectOneSwap(node, to: 5)
    // Within the folder, from a name that means nothing to the node.
    #expect(run(["cp", machine.swapper(6), machine.path("plugins/next")]).code == 0)
    #expect(run(["mv", machine.path("plugins/next"), target]).code == 0)
    try expectOneSwap(node, to: 6)
    #expect(run(["touch", target]).code == 0)
    #expect(run(["cp", "-a", target, machine.path("plugins/libother.so")]).code == 0)
    try expectOneSwap(node, to: 6)
  }

  /// As Cargo puts its results in place, for which there is neither a write nor a move.
  @Test func aLinkIsOneBuild() throws {
    let node = try begin()
    _ = machine.swapper(2, to: machine.path("deps.so"))
    unlink(target)
    #expect(link(machine.path("deps.so"), target) == 0)
    try expectOneSwap(node, to: 2)
    // A link by name may lead to the plugin folders only.
    _ = machine.swapper(3, to: machine.path("plugins/third"))
    unlink(target)
    #expect(symlink("third", target) == 0)
    try expectOneSwap(node, to: 3)
  }

  @Test func eachLinkerWritesOneBuild() throws {
    let node = try begin()
    // Tests/run installs what is missing.
    let linkers = ["bfd", "gold", "lld"].filter { run(["sh", "-c", "command -v ld.\($0)"]).code == 0 }
    #expect(linkers.count > 1)
    for (place, linker) in linkers.enumerated() {
      // The linker finds a file there, and is itself slow to write when there is much.
      _ = machine.swapper(place + 2, ["-g3", "-DSTATE_BYTES=3000000"], linker: linker, to: target)
      try expectOneSwap(node, to: place + 2)
    }
  }

  @Test func buildsInQuickSuccessionEndWithTheLast() throws {
    let node = try begin()
    let builds = (2...9).map { machine.swapper($0) }
    for build in builds {
      machine.install(build)
      usleep(45_000)
    }
    try node.waits(for: "swapped: 1.0.9")
    calmDown()
    #expect(machine.ask("build") == 9 && machine.ask("count") == 1)
    #expect(node.count(of: "not swapped") == 0, "\(node.errors)")
    // And back while the other is on its way: what lies there in the end counts.
    machine.install(builds[0])
    usleep(40_000)
    machine.install(builds[7])
    calmDown()
    #expect(machine.ask("build") == 9)
  }

  @Test func aHalfWrittenFileServesNobodyAtAStart() throws {
    var node = try begin()
    node.send(SIGTERM)
    #expect(node.end() == 0)
    let whole = try #require(readFile(machine.swapper(2), limit: 1 << 24))
    #expect(writeFile(target, Array(whole.prefix(whole.count / 2)), mode: 0o755))
    node = try machine.ready()
    #expect(node.errors.contains("swapper: runs its last good build, of generation 1, since "), "\(node.errors)")
    #expect(machine.ask("build") == 1 && machine.ask("count") == 1)
    let rest = Array(whole.dropFirst(whole.count / 2))
    let file = open(target, O_WRONLY | O_APPEND)
    #expect(write(file, rest, rest.count) == rest.count)
    close(file)
    try node.waits(for: "swapper: swapped: 1.0.2, generation 3")
  }
}
