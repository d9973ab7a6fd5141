package import HostCore
import NodeSchema
import NodeValues

/// Takes a plugin from its name in the manifest to an open library and a checked configuration:
///
///     find -> copy -> read without running -> open in a trial process -> needs -> configuration
///     -> create in the trial process -> open here
///
/// All of it blocks, so it runs on a loop of its own. Each step either succeeds or says why not.
package final class PluginLoader: RoleLoader, @unchecked Sendable {
  /// What to load for a role.
  package struct Wish: Sendable {
    package enum Source: Sendable {
      /// The file that the role's `plugin:` leads to.
      case named
      /// A file that somebody names, in the folders unless other paths are allowed.
      case file(String)
      /// A private copy that served before.
      case copy(String)
    }

    package var source = Source.named
    /// Builds that have failed the role, by hash, with the reason.
    package var quarantine: [String: String] = [:]
    /// Where the role's state lies, for a trial of whether the build takes it.
    package var state: String?

    package init(source: Source = .named, quarantine: [String: String] = [:], state: String? = nil) {
      self.source = source
      self.quarantine = quarantine
      self.state = state
    }
  }

  package struct Checked: Sendable {
    package init(file: PluginFile, description: PluginDescription, config: String) {
      (self.file, self.description, self.config) = (file, description, config)
    }

    package var file: PluginFile
    package var description: PluginDescription
    /// With all defaults, as JSON.
    package var config: String
  }

  package struct Loaded: Sendable {
    package var library: PluginLibrary
    package var config: String
  }

  private let folders: PluginFolders
  private let cache: PluginCache
  private let inspector: PluginInspector
  private let tries: Bool
  private var known = KnownFiles()
  /// By hash: what was read of a file stays true.
  private var descriptions: [String: Described] = [:]
  private var libraries: [String: WeakLibrary] = [:]
  private let retired: RetiredLibraries
  /// Opened since copies were removed the last time.
  private var recentCopies: Set<String> = []
  private var tidiedAt = 0

  private struct Described {
    var description: PluginDescription
    var schema: JSONSchema
  }

  private struct WeakLibrary {
    weak var library: PluginLibrary?
  }

  /// `tries`: each plugin is created in a trial process first.
  package init(folders: PluginFolders, cache: PluginCache, executable: String, tries: Bool = true) {
    self.tries = tries
    self.folders = folders
    self.cache = cache
    retired = RetiredLibraries(folder: cache.folder)
    inspector = PluginInspector(executable: executable)
  }

  /// Everything but opening the plugin in this process: what a check of a manifest needs. `allow` holds hashes by
  /// plugin name; empty, it allows every plugin in the folders.
  package func check(_ role: ManifestRole, allow: [String: String], _ wish: Wish = Wish()) throws(PluginRefusal)
    -> Checked
  {
    var build: String?
    do {
      let file = try find(role.plugin, allow, wish)
      build = file.sha256
      let described = try describe(file)
      try Self.checkIdentity(described.description, role, file)
      try Self.checkNeeds(described.description, file)
      let config = try role.configuration(for: described.schema).description
      let mustLoad = wish.state != nil && !role.coldStart
      if tries { try inspector.tryCreate(file, role: role.name, config: config, state: mustLoad ? wish.state : nil) }
      return Checked(file: file, description: described.description, config: config)
    } catch var problem as PluginProblem {
      problem.build = build
      throw .plugin(problem)
    } catch {
      throw .configuration(error as! ManifestProblems)
    }
  }

  package func load(_ role: ManifestRole, allow: [String: String], _ wish: Wish = Wish()) throws(PluginRefusal)
    -> Loaded
  {
    let checked = try check(role, allow: allow, wish)
    do throws(PluginProblem) {
      return Loaded(library: try open(checked.file), config: checked.config)
    } catch {
      throw .plugin(error)
    }
  }

  /// What a plugin says of itself.
  package func describe(_ plugin: String) throws(PluginProblem) -> (PluginFile, PluginDescription) {
    let file = try find(plugin, [:], Wish())
    return (file, try describe(file).description)
  }

  package enum Build: Sendable {
    case missing
    /// A file in an earlier folder is the one that is loaded.
    case hidden(by: String)
    case incomplete
    case whole(sha256: String)
  }

  /// What a file that has been written means for a plugin, without checking or running any of it.
  package func build(of plugin: String, writtenTo written: String) -> Build {
    guard let written = resolvedPath(written), let path = try? folders.find(plugin) else { return .missing }
    guard resolvedPath(path) == written else { return .hidden(by: path) }
    guard let bytes = readFile(path, limit: PluginFile.sizeLimit) else { return .missing }
    do throws(ElfImage.Problem) {
      _ = try ElfImage(reading: bytes)
    } catch {
      switch error {
      case .truncated, .notElf, .malformed: return .incomplete
      default: break
      }
    }
    return .whole(sha256: PluginFile.sha256(of: bytes))
  }

  private func find(_ plugin: String, _ allow: [String: String], _ wish: Wish) throws(PluginProblem) -> PluginFile {
    let path =
      switch wish.source {
      case .named: try folders.find(plugin)
      case .file(let path): try folders.find(path)
      case .copy(let path): path
      }
    guard allow.isEmpty || allow[plugin] != nil else {
      throw PluginProblem(
        .notAllowed, file: path, found: "is not on the list of allowed plugins",
        remedy: "add `\(plugin)` with its hash to `plugins.allow` if it is to be trusted")
    }
    let file = try known.file(path, allowed: allow[plugin], cache: cache)
    if let reason = wish.quarantine[file.sha256] {
      throw PluginProblem(
        .quarantined, file: path, found: "is a build that failed before (\(reason))",
        remedy: "build it anew, or try it once more with `hostctl swap --force`")
    }
    return file
  }

  private func describe(_ file: PluginFile) throws(PluginProblem) -> Described {
    if let known = descriptions[file.sha256] { return known }
    if descriptions.count >= Self.rememberedBuilds { forgetBuilds() }
    let description = try inspector.describe(file)
    let described = Described(description: description, schema: try Self.schema(of: description, file))
    descriptions[file.sha256] = described
    return described
  }

  private static func schema(of description: PluginDescription, _ file: PluginFile) throws(PluginProblem) -> JSONSchema
  {
    guard description.schema != .null else { return .nothing }
    do throws(SchemaProblem) {
      return try JSONSchema(description.schema)
    } catch {
      throw PluginProblem(
        .badSchema, file: file.path, found: "its config_schema is no JSON Schema: \(error)",
        remedy: "mend the schema; it is JSON Schema draft 2020-12")
    }
  }

  private static func checkIdentity(_ description: PluginDescription, _ role: ManifestRole, _ file: PluginFile)
    throws(PluginProblem)
  {
    guard description.id == role.role else {
      throw PluginProblem(
        .otherID, file: file.path,
        found: "is the plugin `\(description.id)`, and the manifest asks for `\(role.role)`",
        remedy: "write `role: \(description.id)`, or name another file with `plugin:`")
    }
  }

  /// What a plugin requires of the host must be there before it is created.
  private static func checkNeeds(_ description: PluginDescription, _ file: PluginFile) throws(PluginProblem) {
    for need in description.needs where need.isRequired && need.id.hasPrefix("nodehost.") {
      guard let offered = HostTables.offered[need.id] else {
        let known = HostServices.known.contains(need.id) ? "knows but does not offer" : "does not know"
        throw PluginProblem(
          .missingService, file: file.path, found: "requires \(need.id), which this host \(known)",
          remedy: "use a host that offers it, or make the need optional; this one offers "
            + HostTables.offered.keys.sorted().joined(separator: ", "))
      }
      guard need.layout == offered else {
        throw PluginProblem(
          .missingService, file: file.path,
          found:
            "requires \(need.id) with layout \(hexadecimal(need.layout)), and this host has \(hexadecimal(offered))",
          remedy: "build it against this host's SDK")
      }
    }
  }

  /// A node that is developed on sees a new build every minute, and needs none of the old.
  private static let rememberedBuilds = 256

  private func forgetBuilds() {
    descriptions = [:]
    libraries = libraries.filter { $0.value.library != nil }
  }

  private func open(_ file: PluginFile) throws(PluginProblem) -> PluginLibrary {
    if let library = libraries[file.sha256]?.library { return library }
    retired.giveBack()
    let library = try PluginLibrary(opening: file, retired)
    libraries[file.sha256] = WeakLibrary(library: library)
    recentCopies.insert(file.copy)
    return library
  }

  // MARK: Copies

  /// Copies of builds that no history names any more are looked for once in so many new ones.
  private static let copiesBetweenTidying = 32

  /// True once in a while: then somebody should find out which copies are still named, and have the others removed.
  package func isTimeToTidy() -> Bool {
    guard recentCopies.count - tidiedAt >= Self.copiesBetweenTidying else { return false }
    tidiedAt = recentCopies.count
    return true
  }

  /// What was opened lately may not have come into a history yet, and is kept too.
  package func removeCopies(except named: Set<String>) {
    libraries = libraries.filter { $0.value.library != nil }
    let kept = named.union(recentCopies).union(libraries.values.compactMap { $0.library?.file.copy })
    known.forget(cache.remove(except: kept))
    recentCopies = []
    tidiedAt = 0
  }
}
