import NodeKit

extension Gateway {
  func updateLeader(_ call: RpcServerCall, _ bytes: [UInt8]) throws {
    let request = try LeaderRequest(bytes)
    if case .node(let own) = try identities.speaker(call), request.reporter != 0, request.reporter != own {
      throw RoleError(
        .permissionDenied, "this token is of node \(own), and may not report for node \(request.reporter)")
    }
    try propose(.leader(Entry.NewLeader(id: request.id, term: request.term, time: time))) { [unowned self] result in
      answer(call, result.flatMap { leaderAnswer(request, $0) })
    }
  }

  private func leaderAnswer(_ request: LeaderRequest, _ outcome: Outcome) -> Result<[UInt8], RoleError> {
    switch outcome.kind {
    case .leaderSet: return .success(answers.leaderUpdate("updated", "node \(request.id) leads"))
    case .leaderUnknown:
      return .success(answers.leaderUpdate("failed", "node \(request.id) is not registered; register it first"))
    default: return .failure(refusal(request))
    }
  }

  private func refusal(_ request: LeaderRequest) -> RoleError {
    let known = registry.leader ?? Registry.Leader(id: 0, term: 0)
    let why =
      request.term == 0
      ? "no term was told, and node \(known.id) leads in term \(known.term)"
      : request.term == known.term
        ? "node \(known.id) leads in term \(known.term) already, and a term has one leader"
        : "term \(request.term) is over: node \(known.id) leads in term \(known.term)"
    return RoleError(.failedPrecondition, "\(why); ask GetLeader, and report only a newer term")
  }
}
