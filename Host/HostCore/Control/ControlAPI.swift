package import NodeValues

/// The names that the control server and its clients agree on.
package enum ControlAPI {
  /// The first segment of every path.
  package static let version = "v1"
  package static let jsonType = "application/json"
  package static let logType = "application/x-ndjson"
  package static let metricsType = "text/plain; version=0.0.4"

  /// Log lines that are sent if nobody says how many, and the most that may be asked for.
  package static let usualLogLines = 100
  package static let mostLogLines = 10_000
  /// A call's longest wait: an hour. Longer work answers at once and is asked about later.
  package static let longestCallMilliseconds: Int64 = 3_600_000
  /// A call's wait if nobody says how long.
  package static let usualCallMilliseconds: Int64 = 10_000

  /// From the least to the most serious; a log query shows the one it names and those after it.
  package static let logLevels = ["trace", "debug", "info", "warning", "error", "misuse"]

  /// JSON as a body: readable with curl, and ends in a line feed.
  package static func body(_ json: JSON) -> [UInt8] { Array((json.description + "\n").utf8) }

  /// A whole response that carries JSON.
  package static func response(_ json: JSON, status: Int = 200, keepAlive: Bool, headOnly: Bool = false) -> [UInt8] {
    HTTPWriter.response(
      status: status, type: jsonType, body: .bytes(body(json)), keepAlive: keepAlive, headOnly: headOnly)
  }
}

/// What a method is called with.
package struct CallRequest: Sendable, Equatable {
  package enum Input: Sendable, Equatable {
    /// As typed in a shell; the server converts them by the method's signature.
    case words([String])
    case arguments([JSON])
  }
  package var input: Input
  package var timeoutMilliseconds: Int64?
  /// The name of another node, which has the role; the request goes over the link to it.
  package var node: String?

  package init(_ input: Input, timeoutMilliseconds: Int64? = nil, node: String? = nil) {
    self.input = input
    self.timeoutMilliseconds = timeoutMilliseconds
    self.node = node
  }
}

/// A role to be started.
package struct LoadRequest: Sendable, Equatable {
  /// The kind of role: the plugin's id.
  package var role: String
  /// The instance's name; the role's id if it is nil.
  package var name: String?
  /// The plugin's name or path; the role's id if it is nil.
  package var plugin: String?
  package var config: JSON?

  package init(role: String, name: String? = nil, plugin: String? = nil, config: JSON? = nil) {
    self.role = role
    self.name = name
    self.plugin = plugin
    self.config = config
  }
}

/// Which log lines are wanted.
package struct LogQuery: Sendable, Equatable {
  package var lines: Int
  package var role: String?
  /// One of `ControlAPI.logLevels`.
  package var level: String?
  /// Whether lines follow as they are written, until the client goes.
  package var follow: Bool

  package init(lines: Int = ControlAPI.usualLogLines, role: String? = nil, level: String? = nil, follow: Bool = false) {
    self.lines = lines
    self.role = role
    self.level = level
    self.follow = follow
  }
}

/// Everything that can be asked of a node.
package enum ControlRequest: Sendable, Equatable {
  case version
  case status
  case roles
  case role(String)
  case call(role: String, method: String, CallRequest)
  case load(LoadRequest)
  case unload(String)
  case restart(String)
  case swap(SwapRequest)
  case history(String)
  /// To a generation, or to the newest that served before.
  case rollback(String, generation: Int?)
  case store(role: String, StoreQuery)
  case blobs(role: String, BlobQuery)
  case reload
  case health
  case logs(LogQuery)
  case metrics(json: Bool)
  case peers
  case cutPeer(PeerCut)
}
