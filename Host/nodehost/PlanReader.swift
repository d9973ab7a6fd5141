import Glibc
import HostCore
import HostRuntime

/// Reads the manifest of a command line, at the start and again at each reload.
struct PlanReader {
  let path: String
  let overrides: ManifestOverrides
  let isDevelopment: Bool
  let watchesFolders: Bool
  /// Who only wants to know whether the roles run does not want to wait until the last attempt has failed.
  let isCheck: Bool

  init(_ invocation: Invocation) {
    path = invocation.arguments[0]
    overrides = ManifestOverrides(invocation)
    isDevelopment = invocation.has("dev")
    watchesFolders = !invocation.has("no-watch")
    isCheck = invocation.has("check")
  }

  private func sentence(_ diagnostic: Diagnostic) -> String {
    diagnostic.position == nil && diagnostic.file == path ? "\(path): \(diagnostic.sentence)" : diagnostic.sentence
  }

  /// What the table of options cannot see.
  static func misuse(of invocation: Invocation) -> String? {
    guard let written = invocation.value("instance"), Int(written) == nil else { return nil }
    let range = ManifestLimits.instance
    return "--instance takes a whole number from \(range.lowerBound) to \(range.upperBound), not `\(written)`"
  }

  /// `address` is what an earlier reading found out: asking for it may take a while.
  func read(address: String? = nil) -> Result<NodePlan, ManifestUnreadable> {
    do {
      var manifest = try ManifestFile.read(path: path, overrides: overrides).manifest
      // hostctl and the log name these to people who stand in other folders.
      manifest.node.state = absolutePath(manifest.node.state)
      manifest.control.socket = absolutePath(manifest.control.socket)
      manifest.plugins.folders = manifest.plugins.folders.map(absolutePath)
      if isCheck {
        for index in manifest.roles.indices { manifest.roles[index].restart.when = .never }
      }
      let cores = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
      return .success(
        NodePlan(
          manifest: manifest, path: absolutePath(path), address: address ?? LocalAddress.choose(for: manifest),
          loops: manifest.loops ?? cores, allowsChanges: isDevelopment || manifest.plugins.hotSwap,
          watchesFolders: watchesFolders))
    } catch {
      return .failure(
        ManifestUnreadable(error.description + "\n", sentences: error.diagnostics.map(sentence)))
    }
  }
}

extension ManifestOverrides {
  init(_ invocation: Invocation) {
    self.init(
      settings: invocation.values("set"), peers: invocation.values("peer"),
      instance: invocation.value("instance"))
  }
}
