import Glibc
import HostCore
import HostRuntime

/// Reads the manifest of a command line, at the start and again at each reload.
struct PlanReader {
  let path: String
  let overrides: ManifestOverrides
  let isDevelopment: Bool

  init(_ invocation: Invocation) {
    path = invocation.arguments[0]
    overrides = ManifestOverrides(invocation)
    isDevelopment = invocation.has("dev")
  }

  func read() -> Result<NodePlan, ManifestUnreadable> {
    do {
      var manifest = try ManifestFile.read(path: path, overrides: overrides).manifest
      // hostctl and the log name these to people who stand in other folders.
      manifest.node.state = absolutePath(manifest.node.state)
      manifest.control.socket = absolutePath(manifest.control.socket)
      manifest.plugins.folders = manifest.plugins.folders.map(absolutePath)
      let cores = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
      return .success(
        NodePlan(
          manifest: manifest, path: absolutePath(path), address: LocalAddress.choose(for: manifest),
          loops: manifest.loops ?? cores, allowsChanges: isDevelopment || manifest.plugins.hotSwap))
    } catch {
      return .failure(ManifestUnreadable(error.description + "\n"))
    }
  }
}

extension ManifestOverrides {
  init(_ invocation: Invocation) {
    self.init(
      settings: invocation.values("set"), peers: invocation.values("peer"),
      instance: invocation.value("instance").map { Int($0) ?? 0 })
  }
}
