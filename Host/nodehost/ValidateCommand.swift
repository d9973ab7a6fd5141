import HostCore
import HostRuntime
import NodeValues

/// `nodehost validate MANIFEST...`: every error of every manifest, without running any of them.
struct ValidateCommand {
  fileprivate struct Verdict {
    var file: String
    var roles = 0
    var errors: [Diagnostic] = []
    /// Errors beyond those that are listed.
    var omitted = 0
  }

  private let overrides: ManifestOverrides
  private let checksPlugins: Bool
  private let scratch = ScratchFolder()

  static func run(_ invocation: Invocation) -> ExitCode {
    if let misuse = PlanReader.misuse(of: invocation) {
      Console.complain("nodehost validate: \(misuse)\n")
      return .usage
    }
    let command = ValidateCommand(
      overrides: ManifestOverrides(invocation), checksPlugins: !invocation.has("without-plugins"))
    let verdicts = invocation.arguments.map(command.verdict)
    if invocation.has("json") {
      Console.write(JSON.array(verdicts.map(\.json)).pretty + "\n")
    } else {
      for verdict in verdicts { verdict.print() }
    }
    return verdicts.allSatisfy(\.errors.isEmpty) ? .success : .failure
  }

  private init(overrides: ManifestOverrides, checksPlugins: Bool) {
    self.overrides = overrides
    self.checksPlugins = checksPlugins
  }

  private func verdict(of path: String) -> Verdict {
    var verdict = Verdict(file: path)
    do {
      let manifest = try ManifestFile.read(path: path, overrides: overrides).manifest
      verdict.roles = manifest.roles.count
      if checksPlugins { verdict.errors = pluginErrors(manifest) }
    } catch {
      verdict.errors = error.diagnostics
      verdict.omitted = error.omitted
    }
    return verdict
  }

  private func pluginErrors(_ manifest: Manifest) -> [Diagnostic] {
    let loader = PluginLoader(
      folders: PluginFolders(manifest.plugins.folders), cache: PluginCache(folder: scratch.path),
      executable: ownExecutable)
    var errors: [Diagnostic] = []
    var found: [(ManifestRole, PluginDescription)] = []
    for role in manifest.roles {
      do {
        found.append((role, try loader.check(role, allow: manifest.plugins.allow).description))
      } catch {
        errors += error.diagnostics(for: role)
      }
    }
    // A role whose plugin is not known might provide anything.
    return errors.isEmpty ? Self.unmetNeeds(found) : errors
  }

  private static func unmetNeeds(_ roles: [(ManifestRole, PluginDescription)]) -> [Diagnostic] {
    let provided = Set(roles.flatMap { $0.1.provides })
    return roles.flatMap { role, plugin in
      plugin.neededIDs.filter { !provided.contains($0) }.map {
        role.diagnostic(
          at: .plugin, "`\(role.name)` needs \($0), which no role here provides",
          expected: provided.isEmpty ? .unsaid : .oneOf(provided.sorted()), word: $0)
      }
    }
  }
}

extension ValidateCommand.Verdict {
  fileprivate var json: JSON {
    [
      "file": .string(file), "valid": .bool(errors.isEmpty), "roles": JSON(roles),
      "errors": .array(errors.map(\.json)), "omitted": JSON(omitted),
    ]
  }

  /// Errors go where other programs' errors go; what is right is the output.
  fileprivate func print() {
    guard !errors.isEmpty else { return Console.write("\(file): right, with \(roles) role\(roles == 1 ? "" : "s")\n") }
    Console.complain(ManifestProblems(errors, omitted: omitted).description + "\n")
    let count = errors.count + omitted
    Console.complain("\(file): \(count) error\(count == 1 ? "" : "s")\n")
  }
}
