import CNodeABI
import HostCore

/// Swaps by themselves: a plugin's file has been written.
extension Node {
  func watchPlugins() {
    let isWanted = plan.allowsChanges && plan.watchesFolders && !isEnding
    if isWanted == (watcher != nil) { return }
    watcher?.close()
    watcher = nil
    guard isWanted else { return }
    watcher = PluginWatcher(
      plan.manifest.plugins.folders, on: control,
      problem: { log(NH_LOG_WARNING, "new builds are not noticed in \($0)") },
      changed: { [unowned self] in fileWritten($0) })
  }

  private func fileWritten(_ path: String) {
    let file = String(path.split(separator: "/").last ?? "")
    for plugin in Set(roles.map(\.plan.plugin)) where fileNames(of: plugin).contains(file) {
      look(at: plugin, path)
    }
  }

  private func look(at plugin: String, _ path: String) {
    loaderLoop.post { [self] in
      let build = loader.build(of: plugin, writtenTo: path)
      control.post { [self] in noticed(build, of: plugin, path) }
    }
  }

  private func noticed(_ build: PluginLoader.Build, of plugin: String, _ path: String) {
    let concerned = roles.filter { $0.plan.plugin == plugin }
    switch build {
    case .missing: break
    case .hidden(let first): log(NH_LOG_INFO, "\(path) is not loaded: \(first) comes before it in plugins.folders")
    // More of it is to come; when it does, there is another event.
    case .incomplete: log(NH_LOG_DEBUG, "lib\(plugin).so is not whole yet")
    case .whole(let sha256):
      // Who is loading may have read the file before it was written.
      for role in concerned where !role.isDecided { whenDecided(role) { [self] _ in look(at: plugin, path) } }
      let stale = concerned.filter {
        // One that is being swapped just now may be going over to the build before this one.
        ($0.loaded?.library.file.sha256 != sha256 || $0.swap.map { $0.machine.step != .probation } == true)
          && $0.history.quarantine[sha256] == nil
      }
      // One that has failed gets another chance; the others go over to the new build in one step.
      for role in stale where role.state.failureReason != nil { restart(role) }
      let running = stale.filter { $0.state == .running }
      if !running.isEmpty { swap(running, from: .named, cause: .watch) { _, _ in } }
    }
  }

  private func fileNames(of plugin: String) -> [String] { ["lib\(plugin).so", "\(plugin).so"] }
}
