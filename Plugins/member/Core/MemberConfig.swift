package import NodeKit

/// The configuration of the role `member`.
package struct MemberConfig: RoleConfig {
  @Setting(
    "The gateways, \"host:port\" or \"https://host:port\": the first that answers is asked until it fails.",
    count: 1...16)
  package var gateways: [GatewayAddress]
  @Setting("What this node is called at the gateway; the node's own id if left out.", in: 0...Int(Int32.max))
  package var id: Int?
  @Setting("Where other nodes reach this one: an address or a name.", length: 1...253)
  package var address: String
  @Setting("And at which port.", in: 1...65_535)
  package var port: Int
  @Setting("What this node can do, for those who look for such nodes.", count: 0...64)
  package var capabilities: [String] = []
  @Setting("More that is to be known of this node, as names and values.")
  package var labels: [String: String] = [:]
  @Setting("Shown to the gateways with each call, as `authorization: Bearer`. Best from a file: \"${file:./token}\".")
  package var token = Secret("")

  @Setting(
    "Between two heartbeats if the gateway names no interval of its own.",
    in: Duration.milliseconds(100)...Duration.seconds(3_600),
    unit: .seconds)
  package var heartbeat = Duration.seconds(30)
  @Setting("How much sooner a heartbeat may come, by chance, so that those of many nodes spread.", in: 0...50)
  package var jitterPercent = 10
  @Setting(
    "How long an answer of a gateway may take.", in: Duration.milliseconds(10)...Duration.seconds(300), unit: .seconds)
  package var callTimeout = Duration.seconds(10)
  @Setting(
    "The first pause when no gateway answers; each is twice as long as the one before, and half of it left to chance.",
    in: Duration.milliseconds(10)...Duration.seconds(60), unit: .milliseconds)
  package var retry = Duration.milliseconds(500)
  @Setting(
    "The longest of these pauses; it is never longer than the heartbeats' interval either.",
    in: Duration.milliseconds(10)...Duration.seconds(3_600), unit: .seconds)
  package var longestRetry = Duration.seconds(30)
  @Setting(
    "Between two tries while the gateway refuses this node: its id is taken, or its token is not known.",
    in: Duration.milliseconds(100)...Duration.seconds(3_600), unit: .seconds)
  package var refusedRetry = Duration.seconds(60)
  @Setting(
    "Between two questions for the nodes where a gateway is too old to be watched.",
    in: Duration.milliseconds(100)...Duration.seconds(3_600), unit: .seconds)
  package var poll = Duration.seconds(10)
  @Setting(
    "How long the list of nodes may be without news of a gateway before it is called stale.",
    in: Duration.milliseconds(100)...Duration.seconds(3_600), unit: .seconds)
  package var staleAfter = Duration.seconds(5)
  @Setting("More nodes than these are not kept.", in: 1...1_000_000)
  package var mostNodes = 100_000

  package init() {}
}

extension MemberConfig {
  /// What is registered of this node.
  func record(_ context: RoleContext, instance: String) -> NodeRecord {
    var record = NodeRecord()
    record.id = nodeID(context)
    record.address = address
    record.port = Int32(port)
    record.capabilities = capabilities
    record.labels = labels
    record.instance = instance
    return record
  }

  func nodeID(_ context: RoleContext) -> Int32 { Int32(clamping: id ?? context.nodeID) }

  /// What no schema says.
  func check() throws {
    guard labels.count <= 64 else {
      throw RoleError(.invalidArgument, "\(labels.count) labels are more than 64", at: "/labels")
    }
  }
}

/// Where a gateway is.
package struct GatewayAddress: SettingValue, Sendable {
  package var target: String

  package static func schema() -> JSONObject {
    JSONObject([
      ("type", "string"), ("pattern", "^(https?://)?([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\]):[0-9]{1,5}$"),
    ])
  }

  package init(setting: JSON, at place: String) throws {
    guard let text = setting.string, GatewayList.isGateway(text) else {
      throw RoleError(
        .invalidArgument, "\(setting) is no gateway; write host:port, http://host:port or https://host:port", at: place)
    }
    target = text
  }

  package var setting: JSON? { .string(target) }
}
