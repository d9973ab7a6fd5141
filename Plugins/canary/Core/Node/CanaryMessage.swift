public import NodeKit

/// What canary routers of several nodes tell one another, as JSON. Whatever comes is read with limits.
public enum CanaryMessage: Sendable, Equatable {
  static let historyLimit = 200

  /// Which committed state a node has; told from time to time.
  case state(version: Int64, digest: String)
  /// Send the committed state, and the decisions behind this version.
  case want(after: Int64)
  case have(RoutingState, history: [JSON])
  /// What a node counts, for the one that leads.
  case report(NodeReport)

  public init(_ bytes: [UInt8]) throws {
    guard bytes.count <= 1 << 20 else { throw RoleError(.invalidArgument, "a message of \(bytes.count) bytes") }
    let json = try JSON(payload: bytes)
    let kind = json["kind"]?.string ?? ""
    switch kind {
    case "state":
      let fields = try Fields(json, at: "", known: ["kind", "version", "digest"])
      self = .state(version: try fields.integer("version"), digest: try fields.text("digest", most: 64))
    case "want":
      self = .want(after: try Fields(json, at: "", known: ["kind", "after"]).integer("after"))
    case "have":
      let fields = try Fields(json, at: "", known: ["kind", "state", "history"])
      let state = try RoutingState(fields["state"] ?? .null)
      self = .have(
        state,
        history: try fields.list("history", most: Self.historyLimit).map { try Self.historyEntry($0, before: state) })
    case "report": self = .report(try NodeReport(json))
    default: throw RoleError(.invalidArgument, "a message of the kind `\(kind.prefix(40))`")
    }
  }

  private static func historyEntry(_ json: JSON, before state: RoutingState) throws -> JSON {
    let fields = try Fields(
      json, at: "/history", known: ["version", "timestamp_ms", "txid", "decision", "shares", "sticky"])
    _ = try fields.integer("version", 1...max(1, state.version))
    _ = try fields.integer("timestamp_ms")
    _ = try fields.text("txid", most: 64)
    _ = try Decision(fields["decision"] ?? .null, at: "/history/decision")
    guard (fields["shares"]?.object?.members.count ?? 0) <= RoutingState.versionLimit else {
      throw fields.fault("shares", "too many versions")
    }
    return json
  }

  public var bytes: [UInt8] {
    let json: JSON =
      switch self {
      case .state(let version, let digest):
        ["kind": "state", "version": .int(version), "digest": .string(digest)]
      case .want(let after): ["kind": "want", "after": .int(after)]
      case .have(let state, let history): ["kind": "have", "state": state.json, "history": .array(history)]
      case .report(let report): report.json
      }
    return json.payload
  }
}

/// A node's counts: of the rollout, and of the last minute.
public struct NodeReport: Sendable, Equatable {
  public var counting: Counting
  public var recent: [String: Tally]
  public var mirror: MirrorTally
  public var seconds: Int64

  public init(counting: Counting, recent: [String: Tally], mirror: MirrorTally, seconds: Int64) {
    (self.counting, self.recent, self.mirror, self.seconds) = (counting, recent, mirror, seconds)
  }

  init(_ json: JSON) throws {
    let fields = try Fields(json, at: "", known: ["kind", "counting", "recent", "mirror", "seconds"])
    counting = try Counting(fields["counting"] ?? .null, at: "/counting")
    seconds = try fields.integer("seconds", 0...3_600)
    // Whoever mirrors nothing says nothing of it.
    mirror = try fields["mirror"].map { try MirrorTally($0, at: "/mirror") } ?? MirrorTally()
    recent = [:]
    let members = fields["recent"]?.object?.members ?? []
    guard members.count <= 2 * RoutingState.versionLimit else { throw fields.fault("recent", "too many versions") }
    for member in members { recent[member.key] = try Tally(member.value, at: "/recent/\(member.key)") }
  }

  var json: JSON {
    .sparse([
      ("kind", "report"), ("counting", counting.json), ("seconds", .int(seconds)),
      ("recent", .object(JSONObject(recent.sorted { $0.key < $1.key }.map { ($0.key, $0.value.json) }))),
      ("mirror", mirror.isEmpty ? .null : mirror.json),
    ])
  }
}
