package import NodeKit

/// The configuration of the role `member`.
package struct MemberConfig: RoleConfig {
  @Setting(
    "The gateways, \"host:port\" or \"https://host:port\": the first that answers is asked; \":port\" is at each peer.",
    count: 1...16)
  package var gateways: [GatewayAddress]
  @Setting(
    "What this node is called at the gateway; its own id if left out. auto: a number made of its address and port.")
  package var id = MemberID.own
  @Setting(
    "Where other nodes reach this one: an address or a name. auto: where the node itself says that they do.",
    length: 1...253)
  package var address = "auto"
  @Setting("And at which port; the node's listener `data` if left out.", in: 1...65_535)
  package var port: Int?
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
  /// What no schema says.
  func check() throws {
    guard labels.count <= 64 else {
      throw RoleError(.invalidArgument, "\(labels.count) labels are more than 64", at: "/labels")
    }
  }
}

/// What a member is called.
package enum MemberID: SettingValue, Sendable, Equatable {
  /// As the node is.
  case own
  case number(Int32)
  /// Made of its place.
  case made

  package static var isOptional: Bool { true }
  package static func schema() -> JSONObject {
    JSONObject([("anyOf", [["type": "integer", "minimum": 0, "maximum": JSON(Int32.max)], ["enum": ["auto"]]])])
  }

  package init(setting: JSON, at place: String) throws {
    if case .null = setting {
      self = .own
    } else if setting == "auto" {
      self = .made
    } else if let number = setting.int.flatMap({ Int32(exactly: $0) }), number >= 0 {
      self = .number(number)
    } else {
      throw RoleError(
        .invalidArgument, "\(setting) is no id; write a number from 0 to \(Int32.max), or auto", at: place)
    }
  }

  package var setting: JSON? {
    switch self {
    case .own: nil
    case .number(let number): JSON(number)
    case .made: "auto"
    }
  }
}

/// Where a gateway is.
package struct GatewayAddress: SettingValue, Sendable {
  package var target: String

  package static func schema() -> JSONObject {
    JSONObject([
      ("type", "string"), ("pattern", "^(https?://)?([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+\\])?:[0-9]{1,5}$"),
    ])
  }

  package init(setting: JSON, at place: String) throws {
    guard let text = setting.string, GatewayList.isGateway(text.hasPrefix(":") ? "peer\(text)" : text) else {
      throw RoleError(
        .invalidArgument,
        "\(setting) is no gateway; write host:port, http://host:port, https://host:port, or :port for "
          + "the manifest's peers", at: place)
    }
    target = text
  }

  /// At each of the peers, if it is a port alone.
  func targets(at peers: [String]) -> [String] { target.hasPrefix(":") ? peers.map { $0 + target } : [target] }

  package var setting: JSON? { .string(target) }
}
