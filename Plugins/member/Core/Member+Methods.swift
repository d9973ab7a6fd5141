package import NodeKit

/// Which nodes somebody looks for.
package struct NodeFilter: RoleConfig {
  @Setting("All of these.", count: 0...64) package var capabilities: [String] = []
  @Setting("All of these, with these values.") package var labels: [String: String] = [:]
  @Setting("\"active\" or \"silent\"; empty is any.") package var status = ""

  package init() {}

  func matches(_ node: NodeRecord) -> Bool {
    (status.isEmpty || node.status == status) && capabilities.allSatisfy(node.capabilities.contains)
      && labels.allSatisfy { node.labels[$0.key] == $0.value }
  }
}

extension Member {
  package func allNodes() -> JSON { listJSON(list.inOrder) }

  package func find(_ filter: NodeFilter) -> JSON { listJSON(list.inOrder.filter(filter.matches)) }

  func listJSON(_ nodes: [NodeRecord]) -> JSON {
    .object(
      JSONObject(
        [("nodes", .array(nodes.map(\.json))), ("count", JSON(nodes.count)), ("revision", JSON(list.revision))]
          + freshness))
  }

  private var freshness: [(String, JSON)] {
    [("stale", .bool(isStale)), ("age_ms", age.map { JSON(Int64($0 / .milliseconds(1))) } ?? .null)]
  }

  package func leaderNow() -> JSON {
    let leadership = list.leadership
    let node = leadership.leader.flatMap { list.nodes[$0]?.json } ?? .null
    return .object(
      JSONObject(
        [("leader", leadership.leader.map { JSON($0) } ?? .null), ("term", JSON(leadership.term)), ("node", node)]
          + freshness))
  }

  package func isBootstrap() throws -> Bool {
    guard let bootstrap else {
      throw RoleError(.unavailable, "no gateway has said yet whether this node begins the cluster; ask again later")
    }
    return bootstrap
  }

  package func waitForNodes(_ count: Int, _ seconds: Double, _ reply: Reply<JSON>) throws {
    guard (0...3_600).contains(seconds) else {
      throw RoleError(.invalidArgument, "seconds is \(seconds); wait for 0 to 3600", at: "seconds")
    }
    if isInStep, list.nodes.count >= count { return reply.send(listJSON(list.inOrder)) }
    try waiters.add(count, seconds, reply, context.timer) { [unowned self] in late(count, seconds) }
  }

  /// Whom it names is there, so that a person sees who is missing.
  private func late(_ count: Int, _ seconds: Double) -> RoleError {
    let shown = list.inOrder.prefix(20).map { "\($0.id) (\($0.place))" }
    let rest = list.nodes.count > shown.count ? ", …" : ""
    let are = shown.isEmpty ? "" : ": " + shown.joined(separator: ", ") + rest
    let stale = isStale ? "; no gateway tells who is there now" : ""
    return RoleError(
      .deadlineExceeded, "after \(seconds) s \(list.nodes.count) of \(count) nodes are there\(are)\(stale)")
  }

  package func status() -> JSON {
    var members: [(String, JSON)] = [
      ("id", JSON(id)), ("instance", .string(instance)), ("state", .string(stateWord)),
      ("gateway", .string(gateways.current)),
      ("gateways", .array(gateways.targets.map { .string($0) })),
      ("follows_by", .string(isOldGateway ? "asking" : "watching")), ("in_step", .bool(isInStep)),
    ]
    members += freshness
    members += [
      ("nodes", JSON(list.nodes.count)), ("left_out", JSON(list.left)), ("revision", JSON(list.revision)),
      ("heartbeat_interval_ms", JSON(Int64(interval / .milliseconds(1)))),
      (
        "last_heartbeat_ms_ago",
        lastHeartbeat.map { JSON(Int64($0.duration(to: context.now) / .milliseconds(1))) } ?? .null
      ),
      ("bootstrap", bootstrap.map { .bool($0) } ?? .null), ("trouble", trouble.map { .string($0) } ?? .null),
    ]
    return .object(JSONObject(members))
  }

  private var stateWord: String {
    switch presence {
    case .away: "away"
    case .joining: "joining"
    case .joined: "joined"
    case .refused: "refused"
    }
  }

  private var trouble: String? {
    if case .refused(let words) = presence { return words }
    return outage.map { "no gateway answers: \($0.words)" }
  }
}
