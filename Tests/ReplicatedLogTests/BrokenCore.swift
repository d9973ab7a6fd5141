import Glibc

/// The core and the world for it, built with something broken: Raft.swift says what there is.
final class BrokenCore {
  private let folder: String

  init(_ fault: String) throws {
    var name = Array("/tmp/nodehost-core-XXXXXX".utf8CString)
    folder = mkdtemp(&name).map { String(cString: $0) } ?? "/tmp"
    let tests = "/" + #filePath.split(separator: "/").dropLast().joined(separator: "/")
    let core = tests + "/../../SDK/ReplicatedLog"
    let main = """
      @main enum Main {
        static func main() {
          for seed in 1...UInt64(CommandLine.arguments[1])! {
            for members in [3, 5] {
              if let problem = RaftWorld.run(members: members, seed: seed).problem {
                return print("\\(members) members, seed \\(seed): \\(problem)")
              }
            }
          }
        }
      }
      """
    // The core knows nothing of a node, so it needs no other module.
    let command = """
      cd \(folder) && cat > Main.swift && sed '/^import ReplicatedLog$/d' \(tests)/RaftWorld.swift > World.swift &&
      swiftc -swift-version 6 -O -wmo -parse-as-library -package-name nodehost -D BROKEN_\(fault) -o core \
        \(core)/Core/*.swift \(core)/Wire/Byte*.swift Main.swift World.swift
      """
    guard let stream = popen(command, "w") else { throw Failed(words: "no shell") }
    fputs(main, stream)
    guard pclose(stream) == 0 else { throw Failed(words: "the broken core does not build") }
  }

  deinit { _ = system("rm -rf \(folder)") }

  struct Failed: Error { var words: String }

  /// What is wrong by the first seed that finds it; empty: nothing is.
  func run(seeds: Int) throws -> String {
    guard let stream = popen("\(folder)/core \(seeds)", "r") else { throw Failed(words: "it does not run") }
    defer { pclose(stream) }
    var line = [CChar](repeating: 0, count: 4_096)
    return fgets(&line, Int32(line.count), stream) == nil
      ? "" : String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
  }
}
