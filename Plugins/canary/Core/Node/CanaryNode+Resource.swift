public import NodeKit

// What the coordinator asks of a resource.
extension CanaryNode {
  public func prepare(_ transaction: String, _ changes: JSON) throws -> JSON {
    guard isLoaded else { throw RoleError(.unavailable, "\(context.nodeName) still reads its state") }
    let (basis, new) = try read(changes)
    #if !BROKEN_NO_VERSION_CHECK
      guard new.version == basis + 1 else {
        throw RoleError(.invalidArgument, "version \(new.version) does not follow \(basis)", at: "/state/version")
      }
      let own = max(state.version, newest)
      guard own <= basis else {
        throw RoleError(
          .aborted, "\(context.nodeName) has the state \(own) already, so it is no longer \(basis) that changes")
      }
    #endif
    try checkGate(new)
    #if BROKEN_SERVES_PREPARED
      apply(new, new.bytes, isNew: true)
    #endif
    return ["vote": "yes"]
  }

  public func commit(_ transaction: String, _ changes: JSON, _ reply: Reply<JSON>) {
    do {
      guard isLoaded else { throw RoleError(.unavailable, "\(context.nodeName) still reads its state") }
      install(try read(changes).new) { [self] result in
        switch result {
        case .success: reply.send(["version": .int(state.version)])
        case .failure(let error): reply.fail(error)
        }
      }
    } catch { reply.fail(error) }
  }

  /// Nothing was done at the vote, so there is nothing to undo.
  public func abort(_ transaction: String, _ changes: JSON) -> JSON { [:] }

  private func read(_ changes: JSON) throws -> (basis: Int64, new: RoutingState) {
    guard let list = changes.array, list.count == 1, list[0]["key"]?.string == Self.key else {
      throw RoleError(.invalidArgument, "expected one change, of the key `\(Self.key)`")
    }
    let change = try Fields(list[0]["change"] ?? .null, at: "/change", known: ["if_version", "state"])
    return (try change.integer("if_version"), try RoutingState(change["state"] ?? .null))
  }

  /// Whether this node is well enough for a version to get more. Less it may always get.
  private func checkGate(_ new: RoutingState) throws {
    guard [.start, .step, .finish].contains(new.decision.kind) else { return }
    let tally = recent.all
    if let limit = settings.gateErrorRate, tally.errorRate > limit {
      throw RoleError(
        .failedPrecondition,
        "\(context.nodeName) fails \(JSON.double(tally.errorRate * 100)) % of its requests; "
          + "the gate is at \(JSON.double(limit * 100)) %"
      )
    }
    if let limit = settings.gateP95Ms, let p95 = tally.percentile(0.95), p95 > Double(limit) {
      throw RoleError(
        .failedPrecondition,
        "\(context.nodeName) has a p95 of \(JSON.double(p95.rounded())) ms; the gate is at \(limit) ms")
    }
  }
}
