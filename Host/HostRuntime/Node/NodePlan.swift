package import HostCore

/// A manifest with what only this machine and this command line could add to it.
package struct NodePlan: Sendable {
  package var manifest: Manifest
  /// The manifest's own path, absolute.
  package var path: String
  /// Where other machines reach this node.
  package var address: String
  package var loops: Int
  /// Whether roles may be loaded and unloaded while the node runs.
  package var allowsChanges: Bool
  /// Whether the node looks for new builds itself. Who builds and then tells it knows better when a file is whole.
  package var watchesFolders: Bool

  package init(
    manifest: Manifest, path: String, address: String, loops: Int, allowsChanges: Bool, watchesFolders: Bool = true
  ) {
    self.manifest = manifest
    self.path = path
    self.address = address
    self.loops = loops
    self.allowsChanges = allowsChanges
    self.watchesFolders = watchesFolders
  }

  var cache: PluginCache { PluginCache(folder: "\(manifest.node.state)/plugins") }
  var name: String { manifest.node.name }
  var id: UInt32 { manifest.node.id }
}
