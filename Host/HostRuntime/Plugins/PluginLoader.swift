package import HostCore
package import NodeValues

/// Takes a plugin from its name in the manifest to an open library and a checked configuration:
///
///     find -> copy -> read without running -> open in a trial process -> needs -> configuration
///     -> create in the trial process -> open here
///
/// All of it blocks, so it runs on a loop of its own. Each step either succeeds or says why not.
package final class PluginLoader: @unchecked Sendable {
  package struct Request: Sendable {
    package var roleName: String
    /// The plugin's id, as the manifest's `role:` has it.
    package var roleID: String
    package var plugin: String
    package var allowedSHA256: String?
    /// Checks the manifest's configuration against the schema and fills in the defaults.
    package var configuration: @Sendable (JSON) throws(ConfigurationFault) -> JSON

    package init(
      roleName: String, roleID: String, plugin: String, allowedSHA256: String?,
      configuration: @escaping @Sendable (JSON) throws(ConfigurationFault) -> JSON
    ) {
      self.roleName = roleName
      self.roleID = roleID
      self.plugin = plugin
      self.allowedSHA256 = allowedSHA256
      self.configuration = configuration
    }
  }

  /// Why a configuration does not fit a plugin, ready to print.
  package struct ConfigurationFault: Error, Sendable {
    package var text: String
    package init(_ text: String) { self.text = text }
  }

  package struct Loaded: Sendable {
    package var library: PluginLibrary
    package var config: String
  }

  package enum Refusal: Error, Sendable {
    case plugin(PluginProblem)
    case configuration(String)

    package var text: String {
      switch self {
      case .plugin(let problem): problem.description
      case .configuration(let text): text
      }
    }
  }

  private let folders: PluginFolders
  private let cache: PluginCache
  private let inspector: PluginInspector
  private var known = KnownFiles()
  private var descriptions: [String: PluginDescription] = [:]
  private var libraries: [String: WeakLibrary] = [:]

  private struct WeakLibrary {
    weak var library: PluginLibrary?
  }

  package init(folders: PluginFolders, cache: PluginCache, executable: String) {
    self.folders = folders
    self.cache = cache
    inspector = PluginInspector(executable: executable)
  }

  /// Everything but opening the plugin in this process: what a check of a manifest needs.
  package func check(_ request: Request) throws(Refusal) -> (file: PluginFile, config: String) {
    let (file, description) = try describe(request.plugin, allowed: request.allowedSHA256)
    let config = try configuration(request, file, description)
    return (file, config)
  }

  package func load(_ request: Request) throws(Refusal) -> Loaded {
    let (file, config) = try check(request)
    do throws(PluginProblem) {
      return Loaded(library: try open(file), config: config)
    } catch {
      throw .plugin(error)
    }
  }

  package func describe(_ plugin: String, allowed: String? = nil) throws(Refusal) -> (PluginFile, PluginDescription) {
    do throws(PluginProblem) {
      let file = try known.file(try folders.find(plugin), allowed: allowed, cache: cache)
      if let known = descriptions[file.sha256] { return (file, known) }
      let description = try inspector.describe(file)
      descriptions[file.sha256] = description
      return (file, description)
    } catch {
      throw .plugin(error)
    }
  }

  private func configuration(_ request: Request, _ file: PluginFile, _ description: PluginDescription) throws(Refusal)
    -> String
  {
    do throws(PluginProblem) {
      try Self.checkIdentity(description, request, file)
      try Self.checkNeeds(description, file)
    } catch {
      throw .plugin(error)
    }
    let config: JSON
    do throws(ConfigurationFault) {
      config = try request.configuration(description.schema)
    } catch {
      throw .configuration(error.text)
    }
    do throws(PluginProblem) {
      try inspector.tryCreate(file, role: request.roleName, config: config.description)
    } catch {
      throw .plugin(error)
    }
    return config.description
  }

  private static func checkIdentity(_ description: PluginDescription, _ request: Request, _ file: PluginFile)
    throws(PluginProblem)
  {
    guard description.id == request.roleID else {
      throw PluginProblem(
        .otherID, file: file.path,
        found: "is the plugin `\(description.id)`, and the manifest asks for `\(request.roleID)`",
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

  private func open(_ file: PluginFile) throws(PluginProblem) -> PluginLibrary {
    if let library = libraries[file.sha256]?.library { return library }
    let library = try PluginLibrary(opening: file)
    libraries[file.sha256] = WeakLibrary(library: library)
    return library
  }
}
