import Glibc
import HostCore
@testable import HostRuntime
import NodeValues
import Testing

/// What a Swift build leaves behind that no longer serves: little memory, and a library that still works.
@Suite struct RetiredLibrariesTests {
  /// The Swift template in a folder of its own. Other bytes behind its end make it another build.
  private final class Builds {
    let folder = Place.temporaryFolder()
    private let bytes = readFile("\(Place.products)/libhello-swift.so", limit: 1 << 28)!

    init() { build(1) }
    deinit { run(["rm", "-rf", folder]) }

    func build(_ number: Int) {
      // The process is another build's as well: two tests never share one.
      let tail = Array("\(folder) \(number)".utf8)
      precondition(writeFile("\(folder)/new", bytes + tail, mode: 0o755))
      rename("\(folder)/new", "\(folder)/libhello-swift.so")
    }
  }

  /// A stretch of this process's memory.
  private struct Mapping {
    var start: UInt
    var end: UInt
    var access: Substring
    var file: Substring
    /// KB that no file has.
    var own = 0

    /// Through the kernel: a sanitizer forbids the process itself what lies between its variables.
    var bytes: [UInt8] {
      let memory = open("/proc/self/mem", O_RDONLY | O_CLOEXEC)
      defer { close(memory) }
      return [UInt8](unsafeUninitializedCapacity: Int(end - start)) { room, count in
        count = max(0, pread(memory, room.baseAddress, room.count, Int(start)))
      }
    }

    static func all() -> [Mapping] {
      var found: [Mapping] = []
      let text = String(decoding: readFile("/proc/self/smaps", limit: 1 << 26) ?? [], as: UTF8.self)
      for line in text.split(separator: "\n") {
        let words = line.split(separator: " ")
        if words[0] == "Anonymous:" { found[found.count - 1].own = Int(words[1]) ?? 0 }
        let ends = words[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
        guard ends.count == 2, words.count > 4 else { continue }
        let file = words.count > 5 ? words[5] : ""
        found.append(Mapping(start: ends[0], end: ends[1], access: words[1], file: file))
      }
      return found
    }

    /// The constants that the dynamic loader has written addresses into.
    static func constants(of copy: String) throws -> Mapping {
      try #require(all().first { $0.file == copy && $0.access == "r--p" && $0.own > 0 })
    }
  }

  @Test func constantsGoToAFileAndStayTheSame() throws {
    let builds = Builds()
    let live = LiveNode(folders: [builds.folder], [LiveNode.role(plugin: "hello-swift")])
    let copy = try live.instance().library.file.copy
    let constants = try Mapping.constants(of: copy)
    let content = constants.bytes
    try #require(content.count >= 4096 && constants.own > 0)
    try replace(live, builds, 2)
    // Not before another build is loaded.
    #expect(try Mapping.constants(of: copy).start == constants.start)
    try replace(live, builds, 3)
    let moved = try #require(Mapping.all().first { $0.start == constants.start })
    #expect(moved.end == constants.end && moved.access == "r--p" && moved.file != copy)
    #expect(moved.bytes == content)
    // Reading it has brought it back from the file.
    #expect(try #require(Mapping.all().first { $0.start == constants.start }).own == 0)
  }

  @Test func aBuildThatWasRetiredServesAgain() throws {
    let builds = Builds()
    let live = LiveNode(folders: [builds.folder], [LiveNode.role(plugin: "hello-swift")])
    let first = try live.instance().library.file.sha256
    for number in [2, 3, 1] { try replace(live, builds, number) }
    #expect(try live.instance().library.file.sha256 == first)
    #expect(try live.call("greet", [.text("Ada")]) == .value(.text("Hello, Ada!")))
    #expect(try live.call("later", [.text("soon"), .int(1)]) == .value(.text("soon")))
    guard case .error(_, let message) = try live.call("fail", [.text("as asked")]) else { return #expect(Bool(false)) }
    #expect(message.contains("as asked"))
  }

  private func replace(_ live: LiveNode, _ builds: Builds, _ number: Int) throws {
    builds.build(number)
    _ = try live.swap(["b"]).get()
    live.endProbation("b")
    // The old one goes on its loop, and the swap on the control loop.
    let seat = try live.instance().seat
    _ = live.onLoop(seat) { $0.handover == nil }
    live.onControl { _ in }
  }
}
