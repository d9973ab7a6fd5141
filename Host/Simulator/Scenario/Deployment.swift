import Glibc
import HostCore
package import HostRuntime

/// The nodes of a deployment: a folder of manifests, one for each machine, as operators keep them.
package struct Deployment: Sendable {
  package struct Problem: Error {
    package var text: String
    package init(text: String) { self.text = text }
  }

  package var plans: [NodePlan]
  package var names: [String] { plans.map(\.manifest.node.name) }

  /// Reads all `.yaml` files in a folder and those below it, or one file.
  package init(_ path: String) throws(Problem) {
    let files = Self.manifests(in: path)
    guard !files.isEmpty else { throw Problem(text: "\(path): no manifest (a .yaml file) is there") }
    plans = []
    for file in files {
      do { plans.append(try Self.plan(file)) } catch { throw Problem(text: error.description) }
    }
    for (place, plan) in plans.enumerated() {
      let manifest = plan.manifest
      if let other = plans[..<place].first(where: { $0.manifest.node.id == manifest.node.id }) {
        throw Problem(text: "\(plan.path): node.id \(manifest.node.id) is that of \(other.path) too")
      }
      if let other = plans[..<place].first(where: { $0.manifest.node.name == manifest.node.name }) {
        throw Problem(text: "\(plan.path): node.name \(manifest.node.name) is that of \(other.path) too")
      }
    }
  }

  private static func manifests(in path: String) -> [String] {
    guard isFolder(path) else { return access(path, R_OK) == 0 ? [path] : [] }
    return filesIn(path).sorted().flatMap { name -> [String] in
      let file = "\(path)/\(name)"
      if isFolder(file) { return manifests(in: file) }
      return name.hasSuffix(".yaml") || name.hasSuffix(".yml") ? [file] : []
    }
  }

  private static func plan(_ path: String) throws(ManifestProblems) -> NodePlan {
    var manifest = try ManifestFile.read(path: path, absent: { "a secret of \($0), which is not needed here" }).manifest
    manifest.plugins.folders = manifest.plugins.folders.map(absolutePath)
    return NodePlan(
      manifest: manifest, path: path, address: manifest.node.address ?? address(of: manifest.node.id),
      loops: manifest.loops ?? 1, allowsChanges: true, watchesFolders: false)
  }

  /// Of a node whose manifest gives none.
  static func address(of id: UInt32) -> String { "10.\(id >> 16 & 255).\(id >> 8 & 255).\(id & 255)" }

  /// Adds nodes like the last one until there are `count`, or leaves the last ones out. `neighbours`: each is linked
  /// with so many before and after it, the first being beside the last; nil: with all.
  package mutating func resize(to count: Int, neighbours: Int? = nil) {
    if count < plans.count { plans.removeLast(plans.count - count) }
    guard let pattern = plans.last else { return }
    var id = plans.map(\.manifest.node.id).max() ?? 0
    while plans.count < count {
      id += 1
      var plan = pattern
      plan.manifest.node.id = id
      plan.manifest.node.name = "\(pattern.manifest.node.name)-\(id)"
      plan.address = Self.address(of: id)
      plan.manifest.node.state = "\(pattern.manifest.node.state)-\(id)"
      plans.append(plan)
    }
    link(neighbours)
  }

  private mutating func link(_ neighbours: Int?) {
    let ids = plans.map(\.manifest.node.id)
    for place in plans.indices {
      let others: [UInt32]
      if let neighbours, 2 * neighbours < ids.count {
        let near = (-neighbours...neighbours).filter { $0 != 0 }
        others = near.map { ids[(place + $0 + ids.count) % ids.count] }
      } else {
        others = ids
      }
      plans[place].manifest.cluster.peers = others.sorted().map {
        ClusterSettings.Peer(id: $0, address: Endpoint(host: "node-\($0)", port: 7400))
      }
    }
  }
}
