import Glibc
import HostCore

/// A folder with a role's sources, and how they are built.
struct RoleProject {
  enum Tool {
    case swiftPackage, cargo, make

    var command: [String] {
      switch self {
      case .swiftPackage: ["swift", "build", "--quiet"]
      case .cargo: ["cargo", "build", "--quiet"]
      case .make: ["make", "--silent"]
      }
    }
  }

  /// Larger plans are not read: the package manager builds then.
  private static let planLimit = 64 << 20

  /// Absolute, without links.
  let folder: String
  let tool: Tool
  private var plan: SwiftBuildPlan?

  init(_ folder: String) throws(CommandFailure) {
    guard let resolved = System.resolved(folder), System.isFolder(resolved) else {
      throw CommandFailure("there is no folder \(folder)", remedy: "hostctl new makes a project for a new role.")
    }
    self.folder = resolved
    let tools: [(String, Tool)] = [
      ("Package.swift", .swiftPackage), ("Cargo.toml", .cargo), ("Makefile", .make), ("GNUmakefile", .make),
    ]
    guard let found = tools.first(where: { System.exists("\(resolved)/\($0.0)") }) else {
      throw CommandFailure(
        "\(folder) is no project that hostctl dev can build", "it has no Package.swift, Cargo.toml or Makefile",
        remedy: "hostctl new makes a project for a new role.")
    }
    tool = found.1
  }

  /// The quick command for these changes, if there is one, with the library that it makes under another name.
  func quickCommand(_ changes: Set<String>) -> (words: [String], output: String, library: String)? {
    guard let plan, !changes.isEmpty, changes.allSatisfy({ plan.sources.contains($0) && System.exists($0) })
    else { return nil }
    let output = plan.library + ".new"
    var words = plan.command(output: output)
    if Output.style.coloured { words.append("-color-diagnostics") }
    return (words, output, plan.library)
  }

  mutating func forgetPlan() { plan = nil }

  /// To be called after the tool has built all.
  mutating func readPlan() {
    guard tool == .swiftPackage else { return }
    guard let text = try? System.read("\(folder)/.build/debug.yaml", limit: Self.planLimit) else { return }
    plan = SwiftBuildPlan(String(decoding: text, as: UTF8.self), project: folder) {
      (try? System.read($0, limit: Self.planLimit)).map { String(decoding: $0, as: UTF8.self) }
    }
  }
}
