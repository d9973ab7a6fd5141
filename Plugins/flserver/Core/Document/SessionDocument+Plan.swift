internal import NodeKit

/// What the words of a document mean.
extension SessionDocument {
  /// How the session goes on.
  func plan() throws -> Plan {
    try checkSecure()
    try checkPrivacy()
    var plan = Plan()
    let session = sessionConfig, server = serverTrainingConfig, arguments = session.clientSelectionArgs
    plan.rounds = server.numTrainingRounds
    plan.seed = UInt64(session.seed)
    plan.deadline = .nanoseconds(Int64(clientTrainingConfig.trainTimeoutDurationS * 1e9))
    plan.leastUpdates = max(server.leastUpdates, try aggregation().leastUpdates)
    plan.concurrency = server.concurrency
    plan.stalenessLimit = server.stalenessLimit
    plan.overSelection = arguments.overSelection
    plan.targetAccuracy = session.targetAccuracy
    plan.pace = try pace()
    plan.isSecure = session.secureAggregation
    plan.chooser = Self.role(session.clientSelection)
    plan.selection = try selection()
    guard plan.chooser == nil || plan.pace == .synchronous else {
      throw RoleError(
        .invalidArgument, "a role chooses for rounds, which `\(session.aggregator)` has not",
        at: "/session_config/client_selection")
    }
    return plan
  }

  /// `role:NAME` names a role of the node.
  static func role(_ word: String) -> String? {
    word.hasPrefix("role:") && word.count > 5 ? String(word.dropFirst(5)) : nil
  }

  private func pace() throws -> Plan.Pace {
    let arguments = sessionConfig.aggregatorArgs
    switch sessionConfig.aggregator {
    case "fedasync": return .asynchronous(buffer: 1)
    case "fedbuff": return .asynchronous(buffer: arguments.bufferSize)
    case "fedat": return .tiered(arguments.tiers)
    default: return .synchronous
    }
  }

  private func selection() throws -> Selection {
    let arguments = sessionConfig.clientSelectionArgs, word = sessionConfig.clientSelection
    guard let rule = Self.role(word) == nil ? Selection.Rule(rawValue: word) : .all else {
      let known = Selection.Rule.allCases.map(\.rawValue).joined(separator: ", ")
      throw RoleError(
        .invalidArgument, "there is no selection `\(word)`; known are \(known), and role:NAME",
        at: "/session_config/client_selection")
    }
    return Selection(
      rule: rule, count: arguments.numClients, share: arguments.fraction, tiers: arguments.tiers,
      capabilities: Set(arguments.capabilities))
  }
}
