package import NodeValues

/// The body of GET /v1/status.
package struct NodeStatus: Sendable, Equatable {
  package struct Loop: Sendable, Equatable {
    package var index: Int
    package var roles: Int
    package var callbacks: UInt64

    package init(index: Int, roles: Int, callbacks: UInt64) {
      self.index = index
      self.roles = roles
      self.callbacks = callbacks
    }
  }

  package var id: Int64 = 0
  package var name = ""
  package var address = ""
  package var instance: Int64 = 1
  package var stateFolder = ""
  package var pid: Int32 = 0
  package var startedMilliseconds: Int64 = 0
  package var uptimeMilliseconds: Int64 = 0
  package var manifest = ""
  package var state = ""
  package var health = ""
  package var memoryBytes: UInt64 = 0
  package var loops: [Loop] = []
  package var rolesTotal = 0
  package var rolesRunning = 0
  package var rolesFailed = 0
  /// What somebody who runs the node should know.
  package var notes: [String] = []

  package init() {}

  package var json: JSON {
    [
      "node": [
        "id": .int(id), "name": .string(name), "address": .string(address), "instance": .int(instance),
        "state_folder": .string(stateFolder), "pid": .int(Int64(pid)), "started_ms": .int(startedMilliseconds),
        "uptime_ms": .int(uptimeMilliseconds), "manifest": .string(manifest), "state": .string(state),
        "health": .string(health),
      ],
      "memory_bytes": JSON(memoryBytes),
      "loops": .array(
        loops.map { ["index": JSON($0.index), "roles": JSON($0.roles), "callbacks": JSON($0.callbacks)] }),
      "roles": ["total": JSON(rolesTotal), "running": JSON(rolesRunning), "failed": JSON(rolesFailed)],
      "notes": .array(notes.map(JSON.string)),
    ]
  }
}

/// How well a role or a node is.
package enum Health: String, Sendable, CaseIterable {
  case ok, degraded, failed
}

/// The body of GET /v1/health.
package struct HealthReport: Sendable, Equatable {
  package struct Entry: Sendable, Equatable {
    package var name: String
    package var health: Health
    package var reason: String

    package init(name: String, health: Health, reason: String = "") {
      self.name = name
      self.health = health
      self.reason = reason
    }
  }

  package var roles: [Entry]

  package init(roles: [Entry]) { self.roles = roles }

  /// A node is as well as its worst role.
  package var health: Health {
    if roles.contains(where: { $0.health == .failed }) { return .failed }
    return roles.contains { $0.health == .degraded } ? .degraded : .ok
  }

  /// A load balancer looks at nothing else: a degraded node still serves.
  package var httpStatus: Int { health == .failed ? 503 : 200 }

  package var json: JSON {
    [
      "health": .string(health.rawValue),
      "roles": .array(
        roles.map {
          ["name": .string($0.name), "health": .string($0.health.rawValue), "reason": .string($0.reason)]
        }),
    ]
  }
}

/// The body of POST /v1/reload: what a re-read manifest changed.
package struct ReloadOutcome: Sendable, Equatable {
  package var added: [String] = []
  package var removed: [String] = []
  package var reconfigured: [String] = []
  package var restarted: [String] = []
  package var unchanged = 0
  /// Settings that take effect only when the whole node starts again.
  package var needsNodeRestart: [String] = []

  package init() {}

  package var json: JSON {
    [
      "added": .array(added.map(JSON.string)), "removed": .array(removed.map(JSON.string)),
      "reconfigured": .array(reconfigured.map(JSON.string)), "restarted": .array(restarted.map(JSON.string)),
      "unchanged": JSON(unchanged), "needs_node_restart": .array(needsNodeRestart.map(JSON.string)),
    ]
  }
}

/// The body of a call's answer.
package struct CallReply: Sendable, Equatable {
  package var value: Value
  package var type: ValueType
  package var durationMicroseconds: Int64

  package init(value: Value, type: ValueType, durationMicroseconds: Int64) {
    self.value = value
    self.type = type
    self.durationMicroseconds = durationMicroseconds
  }

  package var json: JSON {
    [
      "value": CallArguments.replyJSON(value), "type": .string(type.name),
      "duration_us": .int(durationMicroseconds),
    ]
  }
}

/// The body of GET /v1/version.
package enum VersionReport {
  package static func json(abiMajor: UInt32, abiRevision: UInt32) -> JSON {
    [
      "version": .string(HostVersion.text), "abi": ["major": JSON(abiMajor), "revision": JSON(abiRevision)],
      "control": .string(ControlAPI.version),
    ]
  }
}

/// A line of GET /v1/logs.
package struct LogRecord: Sendable, Equatable {
  /// RFC 3339 in UTC with milliseconds: sorts as text.
  package var time: String
  package var level: String
  /// Empty for the host's own lines.
  package var role: String
  package var message: String
  package var fields: JSON

  package init(time: String, level: String, role: String, message: String, fields: JSON = [:]) {
    self.time = time
    self.level = level
    self.role = role
    self.message = message
    self.fields = fields
  }

  package var json: JSON {
    [
      "time": .string(time), "level": .string(level), "role": .string(role), "message": .string(message),
      "fields": fields,
    ]
  }

  /// With its line feed.
  package var line: [UInt8] { Array((json.description + "\n").utf8) }
}
