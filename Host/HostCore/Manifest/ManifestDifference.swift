/// What a reload has to do to get from one manifest to another.
package struct ManifestDifference: Sendable, Equatable {
  /// Names of roles, in the order of the new manifest; the removed in the order of the old one.
  package var added: [String] = []
  package var removed: [String] = []
  /// Nothing but `config` differs: the running role can be given the new one.
  package var reconfigured: [String] = []
  /// Something else differs: the role starts anew.
  package var changed: [String] = []
  package var unchanged: [String] = []
  /// Sections outside the roles that differ; they take effect only when the node restarts.
  package var needsRestart: [String] = []

  package var isEmpty: Bool {
    added.isEmpty && removed.isEmpty && reconfigured.isEmpty && changed.isEmpty && needsRestart.isEmpty
  }

  package init(from old: Manifest, to new: Manifest) {
    let before = Dictionary(old.roles.map { ($0.name, $0) }) { first, _ in first }
    let names = Set(new.roles.map(\.name))
    for role in new.roles {
      guard let earlier = before[role.name] else {
        added.append(role.name)
        continue
      }
      if role == earlier {
        unchanged.append(role.name)
      } else if role.differsOnlyInConfig(from: earlier) {
        reconfigured.append(role.name)
      } else {
        changed.append(role.name)
      }
    }
    removed = old.roles.map(\.name).filter { !names.contains($0) }
    needsRestart = Self.differingSections(old, new)
  }

  private static func differingSections(_ old: Manifest, _ new: Manifest) -> [String] {
    let sections: [(String, Bool)] = [
      ("node", old.node == new.node), ("cluster", old.cluster == new.cluster),
      ("listen", old.listeners == new.listeners), ("control", old.control == new.control),
      ("plugins", old.plugins == new.plugins), ("loops", old.loops == new.loops), ("log", old.log == new.log),
      ("blobs", old.blobs == new.blobs), ("client", old.client == new.client),
    ]
    return sections.filter { !$0.1 }.map(\.0)
  }
}

extension ManifestRole {
  fileprivate func differsOnlyInConfig(from other: ManifestRole) -> Bool {
    var copy = self
    copy.config = other.config
    return copy == other
  }
}
