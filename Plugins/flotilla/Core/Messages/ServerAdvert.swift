package import NodeKit

/// What a server says of itself on the server's topic, retained by the broker.
package struct ServerAdvert: Sendable, Equatable {
  package var clientTopic: String
  package var heartbeatInterval: Duration
  package var clusterID: JSON = .null
  package var hardware: JSON = [:]

  private static let intervals = 0.05...86_400.0

  package init(clientTopic: String, heartbeatInterval: Duration) {
    (self.clientTopic, self.heartbeatInterval) = (clientTopic, heartbeatInterval)
  }

  package init(_ bytes: [UInt8]) throws(RoleError) {
    let message = JSON.object(try Nonsense.object(bytes))
    clientTopic = try Nonsense.word(message["mqtt_client_topic"] ?? .null, "the topic", 200, "/mqtt_client_topic")
    guard !clientTopic.utf8.contains(where: { $0 == UInt8(ascii: "+") || $0 == UInt8(ascii: "#") }) else {
      throw Nonsense.error(
        "\"\(clientTopic)\" is a pattern of topics; nothing can be published on it", "/mqtt_client_topic")
    }
    guard let seconds = message["heartbeat_interval"]?.double, Self.intervals.contains(seconds) else {
      throw Nonsense.error(
        "the interval is \(message["heartbeat_interval"] ?? .null); 0.05 to 86400 seconds are expected",
        "/heartbeat_interval")
    }
    heartbeatInterval = .nanoseconds(Int64(seconds * 1e9))
    clusterID = message["cluster_id"] ?? .null
  }

  /// As an original server would announce it.
  package func message(timestamp: Double) -> JSON {
    [
      "type": "server", "timestamp": .double(timestamp), "grpc_ep": .null, "mqtt_client_topic": .string(clientTopic),
      "cluster_id": clusterID, "heartbeat_interval": .double(heartbeatInterval / .seconds(1)), "hw_info": hardware,
    ]
  }
}
