package import HostCore
import Glibc

/// What a node takes from the machine under it. There are two kinds: the real one, and those of a simulated world.
package protocol Machine: AnyObject, Sendable {
  func makeLoop(_ index: Int, _ name: String) -> EventLoop
  /// Nil where loops take turns on one thread.
  func startThread(of loop: EventLoop) -> OwnThread?
  var files: any StateFiles { get }
  func makeLoader(_ plan: NodePlan, allowsOtherPaths: Bool, executable: String) -> any RoleLoader
  func makeStores(_ state: String?, node: String, _ log: LogHub, _ metrics: MetricRegistry) -> any RoleStores
  func makeWorkers() -> any JobRunner
  func makeDisks() -> any DiskRunner
  /// For HTTP.
  func makeConnections() -> any Connections
  /// Nil for a node that is alone.
  func makeLinks(_ node: Node) throws(NetworkFailure) -> (any PeerLinks)?
}

/// Takes a plugin from its name in the manifest to an open library and a checked configuration. It may take its time.
package protocol RoleLoader: AnyObject, Sendable {
  func load(_ role: ManifestRole, allow: [String: String], _ wish: PluginLoader.Wish) throws(PluginRefusal)
    -> PluginLoader.Loaded
  /// Everything but opening the plugin in this process.
  func check(_ role: ManifestRole, allow: [String: String], _ wish: PluginLoader.Wish) throws(PluginRefusal)
    -> PluginLoader.Checked
  /// What a file that has been written means for a plugin, without checking or running any of it.
  func build(of plugin: String, writtenTo path: String) -> PluginLoader.Build
  /// True once in a while: then somebody should find out which copies are still named, and have the others removed.
  func isTimeToTidy() -> Bool
  func removeCopies(except named: Set<String>)
}

/// A node's links to others, on the loop of the links.
package protocol PeerLinks: AnyObject {
  /// Links with these, and no longer with others.
  func adopt(_ peers: [ClusterSettings.Peer])
  /// False if there is no such peer.
  func cut(_ cut: PeerCut) -> Bool
  func fill(_ report: inout PeersReport)
  /// Says farewell.
  func end()
}

/// The machine that this process runs on.
package final class RealMachine: Machine {
  package init() {}

  package func makeLoop(_ index: Int, _ name: String) -> EventLoop { EventLoop(index: index, name: name) }
  package func startThread(of loop: EventLoop) -> OwnThread? { loop.startThread() }
  package var files: any StateFiles { DiskFiles() }

  package func makeLoader(_ plan: NodePlan, allowsOtherPaths: Bool, executable: String) -> any RoleLoader {
    PluginLoader(
      folders: PluginFolders(plan.manifest.plugins.folders, allowsOtherPaths: allowsOtherPaths), cache: plan.cache,
      executable: executable)
  }

  package func makeStores(_ state: String?, node: String, _ log: LogHub, _ metrics: MetricRegistry) -> any RoleStores {
    Stores(folder: state, node: node, log: log, metrics: metrics)
  }

  package func makeWorkers() -> any JobRunner { WorkPool(threads: Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
  package func makeDisks() -> any DiskRunner { DiskPool() }

  package func makeConnections() -> any Connections { SystemConnections() }

  package func makeLinks(_ node: Node) throws(NetworkFailure) -> (any PeerLinks)? { try node.openHub(PeerTiming()) }
}
