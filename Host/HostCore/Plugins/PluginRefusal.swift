/// Why a role of a manifest cannot be loaded: something about its plugin, or about its configuration.
package enum PluginRefusal: Error, Sendable {
  case plugin(PluginProblem)
  case configuration(ManifestProblems)

  /// A plugin's file may be mended at any time; a manifest has to be read again.
  package var isForGood: Bool {
    if case .configuration = self { return true }
    return false
  }

  /// Each fault with its place in the manifest.
  package func diagnostics(for role: ManifestRole) -> [Diagnostic] {
    switch self {
    case .configuration(let problems): problems.diagnostics
    case .plugin(let problem): [role.diagnostic(at: problem.kind.manifestPart, problem.description)]
    }
  }

  /// In one line, as the reason why the role failed.
  package func reason(for role: ManifestRole) -> String {
    diagnostics(for: role).map(\.sentence).joined(separator: "; and ")
  }
}

extension PluginProblem.Kind {
  /// What the operator would change.
  fileprivate var manifestPart: RolePlaces.Part {
    switch self {
    case .otherID: .role
    case .createFailed, .createCrashed, .createTimeout: .config
    default: .plugin
    }
  }
}
