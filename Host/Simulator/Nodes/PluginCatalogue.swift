import CNodeABI
import HostCore
import HostRuntime

/// The plugins of a deployment, each opened once for all nodes and all runs.
package final class PluginCatalogue {
  private let cache: PluginCache
  private let executable: String
  private let folders: [String]?
  private var loaders: [[String]: SimLoader] = [:]

  /// `scratch` is a folder of this process's own; `folders` take the place of the manifests' own.
  package init(scratch: String, executable: String, folders: [String]? = nil) {
    self.folders = folders
    cache = PluginCache(folder: "\(scratch)/plugins")
    self.executable = executable
  }

  /// Opens all that the deployment names, so that what is missing is said before anything runs.
  func open(_ deployment: Deployment) throws(Deployment.Problem) {
    for plan in deployment.plans {
      let loader = loader(folders: plan.manifest.plugins.folders)
      for role in plan.manifest.roles {
        do throws(PluginRefusal) {
          _ = try loader.load(role, allow: plan.manifest.plugins.allow, PluginLoader.Wish())
        } catch {
          throw Deployment.Problem(text: "\(error.reason(for: role))")
        }
      }
    }
  }

  func loader(folders: [String]) -> any RoleLoader {
    let folders = self.folders ?? folders
    if let known = loaders[folders] { return known }
    let loader = SimLoader(
      PluginLoader(
        folders: PluginFolders(folders, allowsOtherPaths: true), cache: cache, executable: executable, tries: false))
    loaders[folders] = loader
    return loader
  }
}

/// Remembers what was loaded: files do not change while a world runs.
private final class SimLoader: RoleLoader, @unchecked Sendable {
  private struct Asked: Hashable {
    var role: String
    var source: String
  }

  private let loader: PluginLoader
  private var known: [Asked: PluginLoader.Loaded] = [:]

  init(_ loader: PluginLoader) { self.loader = loader }

  func load(_ role: ManifestRole, allow: [String: String], _ wish: PluginLoader.Wish) throws(PluginRefusal)
    -> PluginLoader.Loaded
  {
    let asked = Asked(
      role: "\(role.role) \(role.plugin) \(role.config.map(\.rendered) ?? "")", source: "\(wish.source)")
    if let loaded = known[asked] { return loaded }
    let loaded = try VirtualTime.outside { () throws(PluginRefusal) in
      try loader.load(role, allow: allow, PluginLoader.Wish(source: wish.source))
    }
    try Self.refuseDescriptors(loaded.library)
    known[asked] = loaded
    return loaded
  }

  /// Descriptors belong to the real machine, which nobody here can cut off, slow down or repeat.
  private static func refuseDescriptors(_ library: PluginLibrary) throws(PluginRefusal) {
    guard library.description.needs.contains(where: { $0.id == NH_FD_ID && $0.isRequired }) else { return }
    throw .plugin(
      PluginProblem(
        .missingService, file: library.file.path, found: "watches descriptors, which a simulated world has not",
        remedy: "leave the role out of what is simulated"))
  }

  func check(_ role: ManifestRole, allow: [String: String], _ wish: PluginLoader.Wish) throws(PluginRefusal)
    -> PluginLoader.Checked
  {
    let loaded = try load(role, allow: allow, wish)
    return PluginLoader.Checked(
      file: loaded.library.file, description: loaded.library.description, config: loaded.config)
  }

  func build(of plugin: String, writtenTo path: String) -> PluginLoader.Build { .missing }
  func isTimeToTidy() -> Bool { false }
  func removeCopies(except named: Set<String>) {}
}
