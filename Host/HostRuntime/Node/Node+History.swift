import CNodeABI
import HostCore

/// What is kept of the roles over restarts of the node: their state and their history.
extension Node {
  func archive(of role: ManagedRole) -> RoleArchive { RoleArchive(node: stateFolder, role: role.name, machine.files) }

  func update(_ role: ManagedRole, _ change: (inout RoleHistory) -> Void) {
    change(&role.history)
    let (archive, history) = (archive(of: role), role.history)
    archiveLoop.post { _ = archive.write(history) }
  }

  /// What a role is loaded from, read where it was written, so that the two never cross.
  struct Kept: Sendable {
    var history: RoleHistory
    var state: SavedState?
  }

  func readKept(_ role: ManagedRole, _ done: @escaping @Sendable (Kept) -> Void) {
    let archive = archive(of: role)
    archiveLoop.post {
      var history = archive.readHistory()
      history.endAll()
      done(Kept(history: history, state: archive.readState()))
    }
  }

  /// Removes copies of plugins to which nobody can go back. The loader's loop.
  func tidyCopies() {
    guard loader.isTimeToTidy() else { return }
    removeOldCopies()
  }

  /// Any thread.
  func removeOldCopies() {
    let state = stateFolder
    archiveLoop.post { [self] in
      let named = RoleArchive.namedCopies(node: state, machine.files)
      loaderLoop.post { [self] in loader.removeCopies(except: named) }
    }
  }

  /// Loads what the manifest names; if that file is cut short or has failed the role before, the last build that
  /// served.
  func loadForStart(_ role: ManifestRole, _ allow: [String: String], _ kept: Kept) throws(PluginRefusal)
    -> (PluginLoader.Loaded, warning: String?)
  {
    let history = kept.history
    // Whether it takes the state is worth a trial only where there is another build to turn to.
    let hasChoice = kept.state?.role == role.role && history.lastGood != nil
    let wish = PluginLoader.Wish(
      quarantine: history.quarantine,
      state: hasChoice ? RoleArchive(node: stateFolder, role: role.name, machine.files).statePath : nil)
    do throws(PluginRefusal) {
      return (try loader.load(role, allow: allow, wish), nil)
    } catch {
      guard case .plugin(let problem) = error, problem.kind.allowsFallback, let last = history.lastGood,
        last.sha256 != problem.build,
        let loaded = try? loader.load(role, allow: allow, PluginLoader.Wish(source: .copy(last.copy)))
      else { throw error }
      return (loaded, "runs its last good build, of generation \(last.number), since \(problem)")
    }
  }

  func recordStart(_ role: ManagedRole) {
    guard let library = role.loaded?.library else { return }
    let cause: Generation.Cause = role.lifecycle.restarts > 0 ? .restart : .start
    let generation = Generation(
      number: role.generation, sha256: library.file.sha256, version: library.description.version,
      copy: library.file.copy, began: Timestamp.now() / 1_000_000, cause: cause)
    update(role) { $0.add(generation) }
  }

  func recordEnd(_ role: ManagedRole, _ state: [UInt8]?) {
    if let state, let plugin = role.loaded?.library.description {
      let archive = archive(of: role)
      let saved = SavedState(role: plugin.id, version: plugin.stateVersion, bytes: state)
      archiveLoop.post { [services, name = role.name] in
        if archive.write(saved) { return }
        services.log.write(NH_LOG_ERROR, role: name, "its state could not be written to \(archive.statePath)")
      }
    }
    update(role) { $0.end(role.generation, .ended) }
  }
}
