/// What one machine runs: a manifest that has been read and found right.
///
/// Paths are resolved against the manifest's folder. Equality ignores where things were written.
package struct Manifest: Sendable, Equatable {
  package var node: NodeSettings
  package var cluster: ClusterSettings
  /// By name, in the order of the manifest.
  package var listeners: [Listener]
  package var control: ControlSettings
  package var plugins: PluginSettings
  /// Nil: one event loop per core.
  package var loops: Int?
  package var log: LogLevel
  package var blobs: BlobSettings
  package var client: ClientSettings
  package var roles: [ManifestRole]

  package func role(named name: String) -> ManifestRole? { roles.first { $0.name == name } }
  package func listener(named name: String) -> Listener? { listeners.first { $0.name == name } }
}

package struct NodeSettings: Sendable, Equatable {
  package var id: UInt32
  package var name: String
  /// Nil: the local address that routes to the first peer.
  package var address: String?
  /// From 1; the second and later have their own name, state folder and ports.
  package var instance: Int
  /// The folder for everything durable.
  package var state: String
  package var portStride: Int
}

package struct ClusterSettings: Sendable, Equatable {
  package struct Peer: Sendable, Equatable {
    package var id: UInt32
    package var address: Endpoint

    package init(id: UInt32, address: Endpoint) { (self.id, self.address) = (id, address) }
  }

  package var name: String
  /// Shared by all nodes; nil if peers prove themselves by certificates or there are none.
  package var key: Secret?
  /// This node's certificate, its key, and who has signed those of the others; nil if they share a key.
  package var tls: TLSFiles?
  /// May name this node itself, so that all machines can share the list.
  package var peers: [Peer]
  /// Otherwise the links are on the first loop, beside roles.
  package var hasOwnLoop: Bool
}

package struct Listener: Sendable, Equatable {
  /// The listener that other nodes connect to.
  package static let peersName = "peers"

  package var name: String
  package var address: Endpoint
  package var tls: TLSFiles?
  /// Whether it answers /healthz, /readyz and /metrics.
  package var status = false
  /// Bytes of a request's body.
  package var bodyLimit = ManifestDefaults.bodyLimit
  /// Answers of this many bytes and more are compressed for clients that can read it; nil: none.
  package var compressFrom: Int?
  /// A line of JSON for each request; nil: nowhere.
  package var accessLog: String?
  package var limits = Limits()

  package init(name: String, address: Endpoint, tls: TLSFiles? = nil) {
    (self.name, self.address, self.tls) = (name, address, tls)
  }

  /// How many clients it has at once, and how long it waits for each.
  package struct Limits: Sendable, Equatable {
    package var connections = ManifestDefaults.connections
    /// From a request's first byte to the end of its head.
    package var headMilliseconds = ManifestDefaults.headMilliseconds
    /// Between two requests on one connection.
    package var idleMilliseconds = ManifestDefaults.idleMilliseconds
    /// While a body or an answer does not go forward.
    package var stallMilliseconds = ManifestDefaults.stallMilliseconds

    package init() {}
  }
}

/// Paths of PEM files.
package struct TLSFiles: Sendable, Equatable {
  package var certificate: String
  package var key: String
  /// Who may connect; nil: anybody.
  package var clientAuthority: String?
}

package struct ControlSettings: Sendable, Equatable {
  package var socket: String
  package var remote: Remote?

  /// Control over TCP, which exists only with a token and TLS.
  package struct Remote: Sendable, Equatable {
    package var address: Endpoint
    package var token: Secret
    package var tls: TLSFiles
  }
}

package struct PluginSettings: Sendable, Equatable {
  package var folders: [String]
  /// SHA-256 in lower-case hexadecimal by plugin name; empty: any plugin in the folders.
  package var allow: [String: String]
  package var hotSwap: Bool
}

/// In the order of the levels in the ABI; misuse is always logged.
package enum LogLevel: String, Sendable, CaseIterable {
  case trace, debug, info, warning, error
}

/// Text from a file or the environment that must not be printed, so it does not print.
package struct Secret: Sendable, Equatable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
  package var value: String

  package init(_ value: String) { self.value = value }

  package var description: String { "(secret)" }
  package var debugDescription: String { description }
  package var customMirror: Mirror { Mirror(self, children: []) }
}
