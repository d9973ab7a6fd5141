import Glibc
import Testing

/// The same first role in each language.
enum Template: String, CaseIterable, Sendable, CustomTestStringConvertible {
  case swift, c, rust

  var testDescription: String { id }
  var id: String { "hello-" + rawValue }

  static let rustCompiler = Program.find("rustc")
  /// All but Rust where there is no Rust compiler.
  var isAvailable: Bool { self != .rust || Self.rustCompiler != nil }
  static let available = allCases.filter(\.isAvailable)

  func library() throws -> String {
    switch self {
    case .swift, .c: Project.products + "/lib\(id).so"
    case .rust: try Self.rustLibrary.get()
    }
  }

  /// Built once for all tests.
  private static let rustLibrary = Result { () throws -> String in
    _ = try BuiltFolder()
    let outcome = try Program.run([
      rustCompiler ?? "rustc", "--edition", "2021", "-O", "--crate-type", "cdylib", "-C", "panic=unwind", "-D",
      "warnings", "-o", BuiltFolder.library, Project.root + "/SDK/Templates/rust/role.rs",
    ])
    guard outcome.status == 0 else { throw ProgramError(description: outcome.output) }
    return BuiltFolder.library
  }
}

/// A folder that tests in all threads read, removed at the end of the program.
struct BuiltFolder {
  static let path = "/tmp/nodehost-rust-\(getpid())"
  static let library = path + "/libhello-rust.so"

  init() throws {
    guard mkdir(Self.path, 0o700) == 0 else { throw ProgramError(description: "cannot make \(Self.path)") }
    atexit {
      unlink(BuiltFolder.library)
      rmdir(BuiltFolder.path)
    }
  }
}
