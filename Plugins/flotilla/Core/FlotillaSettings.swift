package import NodeKit

/// The configuration of the role `flotilla`.
package struct FlotillaSettings: RoleConfig {
  @Setting(
    "\"server\" announces a server and hears of clients; \"client\" announces this node's trainer.",
    choices: ["server", "client"])
  package var side = "server"
  @Setting("The MQTT broker, HOST:PORT.", length: 3...300) package var broker = "127.0.0.1:1884"
  @Setting("Of MQTT. Brokers of before 2019 may know 3.1.1 only.", choices: ["5", "3.1.1"]) package var mqtt = "5"
  @Setting("Shown to the broker, if it asks.", length: 0...200) package var username = ""
  @Setting("With that name. Best from a file: \"${file:./password}\".") package var password = Secret("")

  @Setting("Where servers announce themselves.", length: 1...200, pattern: "^[^+#]+$")
  package var serverTopic = "advert_server"
  @Setting("Where clients do.", length: 1...200, pattern: "^[^+#]+$") package var clientTopic = "advert_client"
  @Setting("Where clients say that they are there.", length: 1...200, pattern: "^[^+#]+$")
  package var heartbeatTopic = "heartbeat"
  @Setting(
    "Between two heartbeats; a server tells its clients.", in: Duration.milliseconds(50)...Duration.seconds(3_600),
    unit: .seconds)
  package var heartbeatInterval = Duration.seconds(5)
  @Setting("So many heartbeats may be missing before a client counts as gone.", in: 1...1_000)
  package var maxHeartbeatMissThreshold = 5
  @Setting("Told to the others; nothing follows from it.", in: 0...Int(Int32.max)) package var clusterId: Int?

  @Setting(
    "Server: for original clients, by id or name, HOST:PORT of the nodehost_flotilla_bridge that translates for each.")
  package var bridges: [String: String] = [:]
  @Setting("Server: the most clients, those that are gone included.", in: 1...100_000) package var mostClients = 10_000

  @Setting("Client: what others call this trainer; the node's name if left out.", length: 0...100)
  package var name = ""
  @Setting(
    "Client: where servers reach it; if left out, the address from which this node reaches the broker.",
    length: 0...253)
  package var address = ""
  @Setting("Client: and at which port.", in: 1...65_535) package var port = 50_053
  @Setting(
    "Client: where this role asks the trainer what it has, http://HOST:PORT; if left out, at that port here.",
    length: 0...300)
  package var trainer = ""

  @Setting(
    "How long a connection to the broker may take.", in: Duration.milliseconds(100)...Duration.seconds(60),
    unit: .seconds)
  package var connectTimeout = Duration.seconds(5)
  @Setting(
    "The first pause when the broker cannot be reached; each is twice as long as the one before.",
    in: Duration.milliseconds(10)...Duration.seconds(60), unit: .milliseconds)
  package var retry = Duration.milliseconds(500)
  @Setting("The longest of these pauses.", in: Duration.milliseconds(10)...Duration.seconds(3_600), unit: .seconds)
  package var longestRetry = Duration.seconds(30)
  @Setting("Longer messages are refused.", in: 1_024...16_777_216) package var messageBytes = 262_144

  package init() {}
}

extension FlotillaSettings {
  /// What no schema says.
  func check() throws {
    guard Endpoint.parts(broker) != nil else {
      throw RoleError(.invalidArgument, "\"\(broker)\" is no HOST:PORT, as 10.0.0.1:1884", at: "/broker")
    }
    guard Set([serverTopic, clientTopic, heartbeatTopic]).count == 3 else {
      throw RoleError(.invalidArgument, "two of the topics are the same; give each its own", at: "/client_topic")
    }
    for (client, bridge) in bridges where Endpoint.parts(bridge) == nil {
      throw RoleError(.invalidArgument, "\"\(bridge)\" is no HOST:PORT of a bridge", at: "/bridges/\(client)")
    }
    guard trainer.isEmpty || trainer.hasPrefix("http://") || trainer.hasPrefix("https://") else {
      throw RoleError(.invalidArgument, "\"\(trainer)\" is no http://HOST:PORT", at: "/trainer")
    }
  }

  /// Until a silent client counts as gone: as original servers have it, with up to 2 s of grace.
  var patience: Duration {
    heartbeatInterval * maxHeartbeatMissThreshold + min(.seconds(2), heartbeatInterval * 0.4)
  }
}
