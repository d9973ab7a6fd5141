package import NodeKit

/// The role that finds trainers, and lets them be found, as Flotilla does: by announcements and heartbeats over MQTT.
///
/// `ServerSide` and `ClientSide` are what it does; a role is one of them. `MqttLink` is the connection to the broker.
package final class Flotilla: Role {
  package static let about = About(
    "flotilla", version: "1.0.0", "Finds trainers as Flotilla does, by announcements and heartbeats over MQTT.")
  package static let needs: [Need] = [.timer, .bus, .metrics, .random, .work, .fd, .rpc]
  package static let topics = [
    Topic("flotilla.joined", "A client has come, or has come back: {\"node\": {…}, \"revision\": N}."),
    Topic("flotilla.updated", "A client tells otherwise of itself: {\"node\": {…}, \"revision\": N}."),
    Topic("flotilla.left", "A client is gone: {\"node\": {…}, \"reason\": WORDS, \"revision\": N}."),
  ]
  package static let methods = [
    Method("nodes()", "The clients that are there, as the role member lists nodes.", idempotent: true, nodes),
    Method(
      "find(filter)",
      "Those with all of these: {\"capabilities\": [WORD…], \"labels\": {NAME: VALUE}}; \"trainer\" can train with us.",
      idempotent: true, find),
    Method("status()", "How this side stands with the broker, and with the other side.", idempotent: true, status),
  ]

  private enum Side {
    case server(ServerSide)
    case client(ClientSide)
  }

  private let context: RoleContext
  private let link: MqttLink
  private let side: Side

  package init(_ context: RoleContext, _ config: FlotillaSettings) throws {
    try config.check()
    self.context = context
    link = MqttLink(context, config)
    side =
      config.side == "server" ? .server(ServerSide(context, config, link)) : .client(ClientSide(context, config, link))
  }

  package func start() throws {
    switch side {
    case .server(let server): try server.start()
    case .client(let client): try client.start()
    }
    link.start()
  }

  package func nodes() throws -> JSON { try server().list(NodeFilter()) }
  package func find(_ filter: NodeFilter) throws -> JSON { try server().list(filter) }

  package func status() -> JSON {
    var status = JSONObject([
      ("connected", .bool(link.isConnected)), ("trouble", link.trouble.map { .string($0) } ?? .null),
      ("connections", JSON(link.connections)),
    ])
    switch side {
    case .server(let server): status.members += server.status.members
    case .client(let client): status.members += client.status.members
    }
    return .object(status)
  }

  private func server() throws -> ServerSide {
    guard case .server(let server) = side else {
      throw RoleError(
        .failedPrecondition, "this role is a client, which knows of no others; ask a role with side: server")
    }
    return server
  }
}

extension Flotilla: Stoppable {
  package func stop() { link.stop() }
}

extension Flotilla: Stateful {
  /// Who is there is known by messages that come only now and then, so a new build takes it over.
  package static let stateVersion = 1

  package func save() -> JSON {
    if case .server(let server) = side { return server.saved }
    return [:]
  }

  package func load(_ state: JSON, version: Int) throws {
    if case .server(let server) = side { server.take(state) }
  }
}

extension Flotilla: HealthReporting {
  package func health() -> Health {
    if let trouble = link.trouble { return .degraded("no MQTT broker: \(trouble)") }
    if case .client(let client) = side, let trouble = client.trouble { return .degraded(trouble) }
    return .ok
  }
}

/// Which clients somebody looks for.
package struct NodeFilter: RoleConfig {
  @Setting("All of these.", count: 0...64) package var capabilities: [String] = []
  @Setting("All of these, with these values.") package var labels: [String: String] = [:]

  package init() {}

  func matches(_ node: JSON) -> Bool {
    let own = node["capabilities"]?.array ?? []
    return capabilities.allSatisfy { own.contains(.string($0)) }
      && labels.allSatisfy { node["labels"]?[$0.key] == .string($0.value) }
  }
}
