import Glibc
import HostCore
import HostRuntime
import NodeValues
import Testing

/// Builds of the fixture role `swapper`, and what a test asks of it.
extension Machine {
  static let whereOn = "folders: [./plugins, \(Place.products)], hot_swap: on"

  /// Compiles a build where nobody watches. A linker of another name than the compiler's usual one may be asked for,
  /// and another place.
  func swapper(_ build: Int, _ defines: [String] = [], linker: String? = nil, to place: String? = nil) -> String {
    builds += 1
    let path = place ?? self.path("build-\(builds).so")
    let include = "\(Place.repository)/SDK/CNodeABI/include", source = "\(Place.repository)/Tests/Fixtures/swapper.c"
    var words = ["cc", "-std=gnu11", "-O1", "-fPIC", "-fvisibility=hidden", "-shared"]
    words += ["-I", include, "-o", path, source, "-DBUILD=\(build)"] + defines
    if let linker { words.append("-fuse-ld=\(linker)") }
    let (code, output) = run(words)
    precondition(code == 0, output)
    return path
  }

  /// Puts a build into the plugin folder in one step, as a careful build system does.
  func install(_ build: String, as plugin: String = "swapper") {
    _ = makeFolder(path("plugins"))
    let bytes = readFile(build, limit: 1 << 24)!
    let written = writeFile(path("plugins/\(plugin).tmp"), bytes, mode: 0o755)
    let moved = rename(path("plugins/\(plugin).tmp"), path("plugins/lib\(plugin).so"))
    precondition(written && moved == 0, "cannot install \(build)")
  }

  func install(_ build: Int, _ defines: String...) { install(swapper(build, defines)) }

  /// What a method of the role answers; nil if it does not.
  func ask(_ method: String, _ words: String..., role: String = "swapper") -> Int? {
    let result = hostctl(["call", role, method] + words)
    return Int(result.output.split(separator: "\n").first ?? "")
  }

  func history(_ role: String = "swapper", place: SourceLocation = #_sourceLocation) throws -> RoleHistory {
    RoleHistory(try json("history", role, place: place))
  }
}

extension RoleHistory {
  /// "1 start replaced", the oldest first.
  var lines: [String] { generations.map { "\($0.number) \($0.cause.rawValue) \($0.outcome.name)" } }
}

extension Child {
  func count(of text: String) -> Int { errors.split(separator: text, omittingEmptySubsequences: false).count - 1 }
}

/// A while in which nothing is expected to happen: several times what a node takes to notice a file and swap.
func calmDown() { usleep(200_000) }

/// Whether the long forms of the tests are wanted.
let wantsLongTests = getenv("NODEHOST_LONG_TESTS") != nil

/// The same sequence for the same seed, so that a failure can be repeated.
struct SeededNumbers: RandomNumberGenerator {
  private var state: UInt64
  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }
}
