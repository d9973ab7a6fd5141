import NodeKit

/// What hostctl asks for.
extension GatewayRole {
  func nodes() throws -> JSON { try find(Filter()) }

  func find(_ filter: Filter) throws -> JSON {
    try gateway.requireReady()
    let wanted = NodeFilter(
      capabilities: filter.capabilities, labels: filter.labels.map { (key: $0.key, value: $0.value) })
    let nodes = gateway.registry.nodes.values.filter { wanted.takes($0.info) }.sorted { $0.id < $1.id }
    return .array(nodes.map(json))
  }

  struct Filter: RoleConfig {
    init() {}
    @Setting("All of these.") var capabilities: [String] = []
    @Setting("All of these.") var labels: [String: String] = [:]
  }

  private func json(_ node: Node) -> JSON {
    let facts = NodeFacts(node.info), seen = gateway.whoIsThere.status(of: node)
    return [
      "node_id": JSON(Int(node.id)), "address": .string(facts.place), "status": .string(seen.status),
      "silent_ms": JSON(Int(gateway.whoIsThere.silence(of: node) / 1_000_000)),
      "joined": .double(node.joined), "capabilities": .array(facts.capabilities.map { .string($0) }),
      "labels": .object(JSONObject(facts.labels.map { ($0.key, .string($0.value)) })),
      "instance": .string(facts.instance), "revision": JSON(node.revision),
    ]
  }

  func leader() throws -> JSON {
    try gateway.requireReady()
    let registry = gateway.registry
    var answer = JSONObject([("term", JSON(registry.term)), ("revision", JSON(registry.revision))])
    answer["leader"] = registry.leaderNode.map(json) ?? .null
    return .object(answer)
  }

  func stats() throws -> JSON {
    let counts = gateway.currentCounts, registry = gateway.registry, bootstrap = registry.bootstrap
    return [
      "ready": .bool(gateway.isReady), "nodes": JSON(registry.nodes.count), "active": JSON(counts.active),
      "spared": JSON(gateway.whoIsThere.spared), "watchers": JSON(counts.watchers),
      "revision": JSON(registry.revision), "term": JSON(registry.term),
      "bootstrap": bootstrap.map { ["node_id": JSON(Int($0.id)), "address": .string($0.place)] } ?? .null,
      "registrations": JSON(counts.registrations), "heartbeats": JSON(counts.heartbeats),
      "expirations": JSON(counts.expirations), "conflicts": JSON(counts.conflicts),
      "refusals": JSON(counts.refusals), "uptime_seconds": .double(counts.uptime),
      "leading_gateway": gateway.log.leader.map { JSON($0) } ?? .null,
      "trouble": gateway.log.trouble.map { .string($0) } ?? .null,
    ]
  }

  func evict(_ id: Int, _ reason: String, _ reply: Reply<JSON>) throws {
    guard let node = Int32(exactly: id) else {
      throw RoleError(.invalidArgument, "\(id) is no id of a node: it has more than 32 bits")
    }
    gateway.remove(node, "by hostctl: \(reason.prefix(200))") { result in
      switch result {
      case .failure(let error): reply.fail(error)
      case .success(let outcome) where outcome.kind == .removed: reply.send(["evicted": JSON(id)])
      case .success: reply.fail(RoleError(.notFound, "there is no node \(id); `nodes` lists those that are there"))
      }
    }
  }

  func resetBootstrap(_ reply: Reply<JSON>) throws {
    let before = gateway.registry.bootstrap
    try gateway.propose(.resetBootstrap) { [gateway] result in
      switch result {
      case .failure(let error): reply.fail(error)
      case .success:
        gateway.context.log.warning(
          "an operator lets the next node bootstrap; until now it was \(before.map { "node \($0.id)" } ?? "nobody")")
        reply.send(["was": before.map { JSON(Int($0.id)) } ?? .null])
      }
    }
  }

  func digest() throws -> String {
    try gateway.requireReady()
    return gateway.registry.digest
  }
}
