package import NodeValues

/// Roles whose plugins are to be exchanged while they run.
package struct SwapRequest: Sendable, Equatable {
  /// Empty if all are meant.
  package var roles: [String]
  /// Every role of the node whose file has changed.
  package var all: Bool
  /// Absolute path of the build to take, for exactly one role; the file found in the plugin folders if it is nil.
  package var plugin: String?
  /// Tries a quarantined build once more.
  package var force: Bool

  package init(roles: [String] = [], all: Bool = false, plugin: String? = nil, force: Bool = false) {
    self.roles = roles
    self.all = all
    self.plugin = plugin
    self.force = force
  }

  var json: JSON {
    var object = JSONObject()
    if !roles.isEmpty { object["roles"] = .array(roles.map(JSON.string)) }
    if all { object["all"] = true }
    object["plugin"] = plugin.map { .string($0) }
    if force { object["force"] = true }
    return .object(object)
  }
}

/// The body of the answer to POST /v1/swap and to a rollback, after the new builds have taken over.
package struct SwapOutcome: Sendable, Equatable {
  package struct Entry: Sendable, Equatable {
    package var role: String
    package var generation: Int
    package var version: String
    /// In hexadecimal.
    package var sha256: String
    /// How long calls waited at the gate.
    package var pauseMicroseconds: Int
    package var stateBytes: Int

    package init(
      role: String, generation: Int, version: String, sha256: String, pauseMicroseconds: Int, stateBytes: Int
    ) {
      self.role = role
      self.generation = generation
      self.version = version
      self.sha256 = sha256
      self.pauseMicroseconds = pauseMicroseconds
      self.stateBytes = stateBytes
    }

    package var json: JSON {
      [
        "role": .string(role), "generation": JSON(generation), "version": .string(version),
        "sha256": .string(sha256), "pause_us": JSON(pauseMicroseconds), "state_bytes": JSON(stateBytes),
      ]
    }
  }

  package var swapped: [Entry]
  /// Roles that run the wanted build already.
  package var unchanged: [String]
  /// So long a fault brings the old builds back.
  package var probationMilliseconds: Int

  package init(swapped: [Entry], unchanged: [String] = [], probationMilliseconds: Int) {
    self.swapped = swapped
    self.unchanged = unchanged
    self.probationMilliseconds = probationMilliseconds
  }

  package var json: JSON {
    [
      "swapped": .array(swapped.map(\.json)), "unchanged": .array(unchanged.map(JSON.string)),
      "probation_ms": JSON(probationMilliseconds),
    ]
  }
}

extension RoleHistory {
  /// The body of GET /v1/roles/{name}/history.
  package func report(role: String) -> JSON {
    .object(JSONObject([("role", .string(role))] + (json.object?.members ?? []).map { ($0.key, $0.value) }))
  }
}
