import NodeKit

extension Gateway {
  func register(_ call: RpcServerCall, _ bytes: [UInt8]) throws {
    let request = try Registration(bytes, limits)
    try identities.require(request.id, call)
    try register(call, request, isSecondTry: false)
  }

  private func register(_ call: RpcServerCall, _ request: Registration, isSecondTry: Bool) throws(RoleError) {
    let join = Entry.Join(
      id: request.id, info: [], time: time, limit: settings.nodeLimit, base: registry.index, sequence: request.sequence
    ).bytes(telling: request.facts)
    if isPlanted(.earlyAnswer) {
      try propose(join) { _ in }
      return registered(call, request, Outcome(.registered))
    }
    let isFirst = isPlanted(.ownBootstrap) && counts.registrations == 0
    try propose(join) { [unowned self] result in
      do {
        let outcome = try result.get()
        switch outcome.kind {
        case .registered, .updated:
          registered(call, request, isFirst ? Outcome(outcome.kind, isBootstrap: true) : outcome)
        case .taken: try taken(call, request, outcome, isSecondTry: isSecondTry)
        case .full:
          throw RoleError(
            .resourceExhausted, "\(registry.nodes.count) nodes are registered already, and node_limit is as many")
        case .overtaken:
          throw RoleError(
            .unavailable, "node \(request.id) has left, or was started anew, since that was asked for; ask again")
        default: throw RoleError(.internal, "a registration cannot end as \(outcome.kind)")
        }
      } catch { refuse(call, RoleError(error)) }
    }
  }

  private func registered(_ call: RpcServerCall, _ request: Registration, _ outcome: Outcome) {
    counts.registrations += 1
    if let node = registry.nodes[request.id] { heard(of: node) }
    let isNew = outcome.kind == .registered
    if outcome.isBootstrap, isNew {
      context.log.info("node \(request.id) at \(request.facts.place) was told to bootstrap the cluster")
    }
    let details = Answers.RegistrationDetails(
      status: isNew ? "registered" : "updated", isBootstrap: outcome.isBootstrap, withoutNodes: request.withoutNodes)
    answer(call, .success(answers.registered(request.id, details)))
  }

  /// Another instance holds the id. If it has been silent for too long it gives way.
  private func taken(
    _ call: RpcServerCall, _ request: Registration, _ outcome: Outcome, isSecondTry: Bool
  ) throws {
    if !isSecondTry, isWatching, let holder = registry.nodes[request.id], whoIsThere.isOver(holder) {
      return claim(request.id, outcome.revision) { [unowned self] _ in
        do { try register(call, request, isSecondTry: true) } catch { refuse(call, RoleError(error)) }
      }
    }
    if let leader = log.leader, leader != context.nodeID { sendClaim(request.id, outcome.revision, to: leader) }
    counts.conflicts += 1
    throw conflict(request)
  }

  private func conflict(_ request: Registration) -> RoleError {
    guard let holder = registry.nodes[request.id] else {
      return RoleError(.unavailable, "node \(request.id) was held by another, which has just gone; try again")
    }
    let place = NodeFacts(holder.info).place, age = Int(max(0, time - holder.joined))
    let silence = whoIsThere.silence(of: holder) / 1_000_000_000
    context.log.warning("\(call(of: request)) wants the id of node \(request.id), which \(place) holds")
    return RoleError(
      .alreadyExists,
      "node \(request.id) is already there: \(place), registered \(age) s ago, heard of \(silence) s ago. Take another "
        + "id; or stop that node, and the id is free when it has been silent for "
        + "\(settings.nodeTimeout.nanoseconds / 1_000_000_000) s, or at once by "
        + "`hostctl call gateway evict \(request.id) REASON`"
    )
  }

  private func call(of request: Registration) -> String { request.facts.place }

  func heartbeat(_ call: RpcServerCall, _ bytes: [UInt8]) throws {
    let request = try NodeRequest(bytes)
    try identities.require(request.id, call)
    counts.heartbeats &+= 1
    try requireAgreement()
    guard let node = node(of: request) else { return lookAgain(call, request) }
    try acknowledge(call, node)
  }

  private func node(of request: NodeRequest) -> Node? {
    guard let node = registry.nodes[request.id] else { return nil }
    return request.instance.isEmpty || request.instance == node.instance ? node : nil
  }

  /// Another gateway may have taken it in, and this one not know yet.
  private func lookAgain(_ call: RpcServerCall, _ request: NodeRequest) {
    log.catchUp { [unowned self] result in
      do {
        try result.get()
        if let node = node(of: request) { return try acknowledge(call, node) }
        try call.answer(answers.heartbeat("not_found", settings.heartbeatMilliseconds))
      } catch { refuse(call, RoleError(error)) }
    }
  }

  private func acknowledge(_ call: RpcServerCall, _ node: Node) throws {
    heard(of: node)
    if acknowledgement.revision != registry.revision {
      acknowledgement = (
        registry.revision, answers.heartbeat("acknowledged", settings.heartbeatMilliseconds)
      )
    }
    try call.answer(acknowledgement.bytes)
  }

  /// A gateway that is cut off must not promise anybody that it is known to be alive.
  func requireAgreement() throws(RoleError) {
    if let trouble = log.trouble { throw RoleError(.unavailable, "\(trouble); another gateway may know more") }
  }

  func removeNode(_ call: RpcServerCall, _ bytes: [UInt8]) throws {
    let request = try NodeRequest(bytes)
    try identities.require(request.id, call)
    remove(request.id, "by \(call.remote)") { [unowned self] result in
      answer(
        call,
        result.map {
          $0.kind == .removed
            ? answers.removal("removed", request.id, "node \(request.id) is out")
            : answers.removal("not_found", request.id, "there is no node \(request.id)")
        })
    }
  }

  func remove(_ id: Int32, _ why: String, then done: @escaping (Result<Outcome, RoleError>) -> Void) {
    let entry = Entry.leave(Entry.Leave(id: id, reason: .evicted, time: time))
    do {
      try propose(entry) { [unowned self] result in
        if case .success(let outcome) = result, outcome.kind == .removed {
          context.log.info("node \(id) was evicted \(why)")
        }
        done(result)
      }
    } catch { done(.failure(error)) }
  }

  func deregister(_ call: RpcServerCall, _ bytes: [UInt8]) throws {
    let request = try NodeRequest(bytes, instance: 2)
    try identities.require(request.id, call)
    let entry = Entry.leave(
      Entry.Leave(
        id: request.id, reason: .left, instance: request.instance, base: registry.index, sequence: request.sequence,
        time: time))
    try propose(entry) { [unowned self] result in
      answer(
        call,
        result.flatMap { outcome in
          switch outcome.kind {
          case .removed: return .success(answers.deregistration("removed", request.id))
          case .notFound: return .success(answers.deregistration("not_found", request.id))
          case .overtaken:
            return .failure(RoleError(.unavailable, "node \(request.id) has registered again meanwhile; try again"))
          default:
            return .failure(
              RoleError(
                .failedPrecondition,
                "node \(request.id) was registered by another instance since, and only that one may deregister it"))
          }
        })
    }
  }
}
