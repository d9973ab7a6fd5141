import Glibc
package import HostCore
import NodeSchema

/// Finds a plugin's file by name in the folders that the manifest allows.
package struct PluginFolders: Sendable {
  package var folders: [String]
  /// Plugins may also be named by a path outside the folders: for development.
  package var allowsOtherPaths: Bool

  package init(_ folders: [String], allowsOtherPaths: Bool = false) {
    self.folders = folders
    self.allowsOtherPaths = allowsOtherPaths
  }

  /// `plugin` is a name, found as libNAME.so or NAME.so, or a path with a slash.
  package func find(_ plugin: String) throws(PluginProblem) -> String {
    let candidates =
      plugin.contains("/")
      ? [plugin] : folders.flatMap { ["\($0)/lib\(plugin).so", "\($0)/\(plugin).so"] }
    guard let path = candidates.first(where: { access($0, F_OK) == 0 }) else { throw notFound(plugin, candidates) }
    guard allowsOtherPaths || isInside(path) else {
      throw PluginProblem(
        .outsideFolder, file: path, found: "leads to \(resolvedPath(path) ?? "nowhere"), outside the plugin folders",
        remedy: "put the file itself into \(folders.joined(separator: " or ")), or add its folder to plugins.folders")
    }
    return path
  }

  private func isInside(_ path: String) -> Bool {
    guard let resolved = resolvedPath(path) else { return false }
    return folders.compactMap(resolvedPath).contains { resolved.hasPrefix($0 + "/") }
  }

  private func notFound(_ plugin: String, _ candidates: [String]) -> PluginProblem {
    let near = nearestWord(to: plugin, among: names()).map { "; did you mean `\($0)`?" } ?? ""
    let looked = candidates.isEmpty ? "no folder is given" : "looked for \(candidates.joined(separator: ", "))"
    return PluginProblem(
      .notFound, file: plugin, found: "is not there (\(looked))\(near)",
      remedy: "build the plugin, or add its folder to plugins.folders")
  }

  /// The names of all plugins in the folders.
  package func names() -> [String] {
    folders.flatMap(filesIn).compactMap { file in
      guard file.hasSuffix(".so") else { return nil }
      let name = file.dropLast(3)
      return String(name.hasPrefix("lib") ? name.dropFirst(3) : name)
    }
  }
}
