import HostCore
import HostRuntime

/// What one process of a node stands on. It ends with the process; the disk does not.
final class SimMachine: Machine, @unchecked Sendable {
  private unowned(unsafe) let node: SimNode
  private var loops: [SimLoop] = []
  private var links: SimLinks?
  private let workers: SimWorkers
  private let disks: SimDisks
  private let stores: SimStores
  let connections: SimConnections

  init(_ node: SimNode) {
    self.node = node
    workers = SimWorkers(node)
    disks = SimDisks(node)
    stores = SimStores(node)
    connections = SimConnections(node)
  }

  func makeLoop(_ index: Int, _ name: String) -> EventLoop {
    let loop = SimLoop(index, name, of: node, in: node.world)
    loops.append(loop)
    return loop.loop
  }

  func startThread(of loop: EventLoop) -> OwnThread? { nil }
  var files: any StateFiles { node.disk.files }

  func makeLoader(_ plan: NodePlan, allowsOtherPaths: Bool, executable: String) -> any RoleLoader {
    node.world.catalogue.loader(folders: plan.manifest.plugins.folders)
  }

  func makeStores(_ state: String?, node: String, _ log: LogHub, _ metrics: MetricRegistry) -> any RoleStores { stores }
  func makeWorkers() -> any JobRunner { workers }
  func makeDisks() -> any DiskRunner { disks }
  func makeConnections() -> any Connections { connections }

  func makeLinks(_ node: Node) throws(NetworkFailure) -> (any PeerLinks)? {
    let links = SimLinks(node.services, node.peersLoop, of: self.node)
    self.links = links
    links.adopt(node.plan.manifest.cluster.peers)
    return links
  }

  /// `says`: only the process is gone, and its machine tells those that it spoke with.
  func vanish(says: Bool) {
    links?.vanish(says: says)
    links = nil
    connections.vanish(says: says)
    workers.vanish()
    disks.vanish()
    stores.vanish()
    for loop in loops { loop.abandon() }
  }
}
