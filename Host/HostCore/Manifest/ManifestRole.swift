/// One entry of `roles:`.
package struct ManifestRole: Sendable, Equatable {
  package var role: String
  /// Unique on the node.
  package var name: String
  /// The plugin's file is `lib<plugin>.so` or `<plugin>.so` in one of the plugin folders.
  package var plugin: String
  package var isolation: Isolation
  /// Roles that start before this one and stop after it.
  package var needs: [String]
  package var restart: RestartSettings
  package var limits: LimitSettings
  /// Whether a swap may begin without the old state, if the new build refuses it.
  package var coldStart: Bool
  /// Checked against the plugin's schema once the plugin is known; nil if the role was given none.
  package var config: YamlNode?
  package var places: RolePlaces
}

package enum Isolation: Sendable, Equatable {
  case inProcess
  case worker
  /// One worker process shared by all roles of the group.
  case group(String)
}

package struct RestartSettings: Sendable, Equatable {
  package enum When: String, Sendable, CaseIterable {
    case never
    case onFailure = "on-failure"
  }

  package var when = When.onFailure
  package var backoffMilliseconds = ManifestDefaults.backoffMilliseconds
  package var backoffLimitMilliseconds = ManifestDefaults.backoffLimitMilliseconds
  package var limit = ManifestDefaults.restarts

  package init() {}

  var backoff: Backoff {
    Backoff(firstMilliseconds: Int64(backoffMilliseconds), mostMilliseconds: Int64(backoffLimitMilliseconds))
  }
}

package struct LimitSettings: Sendable, Equatable {
  package var queue = ManifestDefaults.queue
  package var calls = ManifestDefaults.calls
  package var messageBytes = ManifestDefaults.messageBytes
  package var drainMilliseconds = ManifestDefaults.drainMilliseconds
  package var callTimeoutMilliseconds = ManifestDefaults.callTimeoutMilliseconds
  package var startMilliseconds = ManifestDefaults.startMilliseconds
  package var swapMilliseconds = ManifestDefaults.swapMilliseconds
  package var probationMilliseconds = ManifestDefaults.probationMilliseconds

  package init() {}
}

/// Where a role's parts were written, for errors that are found after reading: no such plugin, a wrong configuration.
package struct RolePlaces: Sendable, Equatable {
  package enum Part: String, Sendable, CaseIterable {
    case role, name, plugin, isolation, needs, restart, limits, config
    case coldStart = "cold_start"
  }

  package var whole: SourcePlace
  package var parts: [Part: SourcePlace]
  package var sources: Sources

  /// Where something was written does not change what it means.
  package static func == (left: Self, right: Self) -> Bool { true }
}

extension ManifestRole {
  /// The role's own place if the part was left out.
  package func place(of part: RolePlaces.Part) -> SourcePlace {
    // A plugin that is not named has the role's name.
    if part == .plugin, places.parts[part] == nil { return places.parts[.role] ?? places.whole }
    return places.parts[part] ?? places.whole
  }

  /// An error about a part of this role, ready to print.
  package func diagnostic(
    at part: RolePlaces.Part, _ message: String, expected: Fault.Expectation = .unsaid, word: String? = nil
  ) -> Diagnostic {
    places.sources.diagnostic(for: Fault(message, at: place(of: part), expected: expected, word: word))
  }
}
