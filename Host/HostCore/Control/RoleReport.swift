package import NodeValues

/// A role's line in `hostctl list`.
package struct RoleEntry: Sendable, Equatable {
  package var name: String
  package var role: String
  package var plugin: String
  package var version: String
  package var language: String
  package var state: String
  package var health: String
  /// Why the health or the state is what it is; empty if all is well.
  package var reason: String
  package var uptimeMilliseconds: Int64
  package var generation: Int64
  package var isolation: String
  package var loop: Int
  package var restarts: Int

  package init(
    name: String, role: String, plugin: String, version: String, language: String, state: String, health: String,
    reason: String = "", uptimeMilliseconds: Int64 = 0, generation: Int64 = 1, isolation: String = "inproc",
    loop: Int = 0, restarts: Int = 0
  ) {
    self.name = name
    self.role = role
    self.plugin = plugin
    self.version = version
    self.language = language
    self.state = state
    self.health = health
    self.reason = reason
    self.uptimeMilliseconds = uptimeMilliseconds
    self.generation = generation
    self.isolation = isolation
    self.loop = loop
    self.restarts = restarts
  }

  package var json: JSON {
    [
      "name": .string(name), "role": .string(role), "plugin": .string(plugin), "version": .string(version),
      "language": .string(language), "state": .string(state), "health": .string(health), "reason": .string(reason),
      "uptime_ms": .int(uptimeMilliseconds), "generation": .int(generation), "isolation": .string(isolation),
      "loop": JSON(loop), "restarts": JSON(restarts),
    ]
  }

  /// The body of GET /v1/roles.
  package static func list(_ roles: [RoleEntry], node: String) -> JSON {
    ["node": .string(node), "roles": .array(roles.map(\.json))]
  }
}

/// All that `hostctl describe` shows of a role.
package struct RoleDescription: Sendable, Equatable {
  package struct Method: Sendable, Equatable {
    package var shape: MethodShape
    package var doc: String
    package var idempotent: Bool

    package init(_ shape: MethodShape, doc: String, idempotent: Bool) {
      self.shape = shape
      self.doc = doc
      self.idempotent = idempotent
    }

    var json: JSON {
      let parameters = zip(shape.parameterNames, shape.signature.parameters)
      return [
        "name": .string(shape.name), "doc": .string(doc), "signature": .string(shape.signature.description),
        "parameters": .array(parameters.map { ["name": .string($0), "type": .string($1.name)] }),
        "returns": .string(shape.signature.result.name), "idempotent": .bool(idempotent),
      ]
    }
  }

  package struct Need: Sendable, Equatable {
    package var id: String
    package var required: Bool
    package var offered: Bool

    package init(id: String, required: Bool, offered: Bool) {
      self.id = id
      self.required = required
      self.offered = offered
    }
  }

  package var entry: RoleEntry
  package var description = ""
  package var file = ""
  /// In hexadecimal.
  package var sha256 = ""
  package var abiMajor: Int64 = 0
  package var abiRevisionLeast: Int64 = 0
  package var abiRevisionBuilt: Int64 = 0
  package var configSchema: JSON = [:]
  package var methods: [Method] = []
  package var needs: [Need] = []
  package var provides: [String] = []
  package var topics: [Named] = []
  package var stateVersion: Int64 = 0
  package var mayUnload = false
  package var simulatable = true

  package init(_ entry: RoleEntry) { self.entry = entry }

  /// The body of GET /v1/roles/{name}.
  package var json: JSON {
    guard case .object(var object) = entry.json else { return entry.json }
    object["description"] = .string(description)
    object["file"] = .string(file)
    object["sha256"] = .string(sha256)
    object["abi"] = [
      "major": .int(abiMajor), "revision_least": .int(abiRevisionLeast), "revision_built": .int(abiRevisionBuilt),
    ]
    object["config_schema"] = configSchema
    object["methods"] = .array(methods.map(\.json))
    object["needs"] = .array(
      needs.map { ["id": .string($0.id), "required": .bool($0.required), "offered": .bool($0.offered)] })
    object["provides"] = .array(provides.map(JSON.string))
    object["topics"] = .array(topics.map { ["name": .string($0.name), "doc": .string($0.help)] })
    object["state_version"] = .int(stateVersion)
    object["may_unload"] = .bool(mayUnload)
    object["simulatable"] = .bool(simulatable)
    return .object(object)
  }
}
