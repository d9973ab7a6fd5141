import Glibc
import HostCore
import NodeValues

/// `hostctl new NAME`: a project for a role, from the SDK's template.
enum NewCommand {
  enum Language: String, CaseIterable {
    case swift, c, rust

    var spoken: String { self == .c ? "C" : rawValue.prefix(1).uppercased() + rawValue.dropFirst() }
    /// The program that builds it.
    var tool: String {
      switch self {
      case .swift: "swift"
      case .c: "make"
      case .rust: "cargo"
      }
    }
  }

  /// No file of a template is larger.
  private static let fileLimit = 1 << 20
  /// Git would take it as its own inside the SDK, so templates have it without the point.
  private static let renamed = ["gitignore": ".gitignore"]

  static func run(_ invocation: Invocation) throws(CommandFailure) {
    let word = invocation.arguments[0]
    let name: ProjectName
    do { name = try ProjectName(word) } catch {
      let near = error.suggestion.map { "; did you mean \"\($0)\"?" } ?? ""
      throw CommandFailure("\"\(word)\" cannot be a role's name", error.reason + near, code: .usage)
    }
    let language = invocation.value("lang").flatMap(Language.init(rawValue:)) ?? .swift
    let folder = invocation.value("dir") ?? name.name
    guard System.names(in: folder).allSatisfy({ [".", ".."].contains($0) }) else {
      throw CommandFailure("\(folder) is not empty", remedy: "Give another folder with --dir, or another name.")
    }
    let sdk = try SDKFolder.find()
    try System.makeFolder(System.absolute(folder))
    var files = try copy("\(sdk)/Templates/projects/\(language.rawValue)", to: folder, name, sdk)
    if language == .rust {
      let binding = "src/nodehost.rs"
      try System.writeNew("\(folder)/\(binding)", System.read("\(sdk)/Templates/rust/nodehost.rs", limit: fileLimit))
      files.append(binding)
    }
    if invocation.has("json") {
      let path = System.resolved(folder) ?? folder
      return try Output.json([
        "name": .string(name.name), "language": .string(language.rawValue), "folder": .string(path),
        "sdk": .string(sdk),
        "files": .array(files.sorted().map { .string($0) }),
      ])
    }
    try Output.write(
      "\(folder) is the new role \(name.name) in \(language.spoken). Build it, run it, and edit it while it runs:\n"
        + "  hostctl dev \(folder)\n")
    if which(language.tool) == nil {
      let note = "note: \(language.tool), which builds it, is not on the PATH"
      try Output.write(Output.style.paint(note, .yellow) + "\n")
    }
  }

  /// The paths of the files that were made, in the new folder.
  private static func copy(
    _ template: String, to folder: String, _ name: ProjectName, _ sdk: String, below: String = ""
  ) throws(CommandFailure) -> [String] {
    let entries = System.names(in: template).filter { $0 != "." && $0 != ".." && !ignored.contains($0) }
    guard !entries.isEmpty else { throw CommandFailure("the template \(template) is missing or empty") }
    var made: [String] = []
    for entry in entries {
      let own = below + (renamed[entry] ?? name.applied(to: entry, sdk: sdk))
      if System.isFolder("\(template)/\(entry)") {
        try System.makeFolder(System.absolute("\(folder)/\(own)"))
        made += try copy("\(template)/\(entry)", to: folder, name, sdk, below: own + "/")
      } else {
        let text = String(decoding: try System.read("\(template)/\(entry)", limit: fileLimit), as: UTF8.self)
        try System.writeNew("\(folder)/\(own)", Array(name.applied(to: text, sdk: sdk).utf8))
        made.append(own)
      }
    }
    return made
  }

  /// What whoever builds a template in its place leaves there.
  private static let ignored: Set = [".build", "build", "target", "state", "Package.resolved", "Cargo.lock"]

  private static func which(_ program: String) -> String? {
    let folders = (System.environment("PATH") ?? "").split(separator: ":")
    return folders.map { "\($0)/\(program)" }.first { access($0, X_OK) == 0 }
  }
}
