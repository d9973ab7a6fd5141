import HostCore
import HostRuntime

extension BrokenPlugin {
  func loader(_ folders: [String]? = nil) -> PluginLoader {
    PluginLoader(
      folders: PluginFolders(folders ?? [folder]), cache: PluginCache(folder: cache), executable: Place.nodehost)
  }

  func load(plugin: String = "broken", allow: [String: String] = [:], folders: [String]? = nil) throws
    -> PluginLoader.Loaded
  {
    try loader(folders).load(role(plugin), allow: allow)
  }

  /// An entry of a manifest that names the plugin.
  func role(_ plugin: String = "broken") -> ManifestRole {
    let entry = "{ role: broken, name: b, plugin: \(plugin) }"
    return LiveNode.plan(folder, [folder], [entry]).manifest.roles[0]
  }
}
