import NodeKit
import ProtoFields

extension Gateway {
  func serve() throws {
    try unary("RegisterNode") { try $0.register($1, $2) }
    try unary("GetNodes") { gateway, call, bytes in
      _ = try gateway.identities.speaker(call)
      try call.answer(gateway.answers.nodes(NodesRequest(bytes, gateway.limits)))
    }
    try unary("GetLeader") { gateway, call, _ in
      _ = try gateway.identities.speaker(call)
      try call.answer(gateway.answers.leader())
    }
    try unary("UpdateLeader") { try $0.updateLeader($1, $2) }
    try unary("Heartbeat") { try $0.heartbeat($1, $2) }
    try unary("HealthCheck", needsRegistry: false) { gateway, call, _ in
      let status = gateway.isReady && gateway.log.trouble == nil ? "healthy" : "degraded"
      try call.answer(gateway.answers.health(status, gateway.time, Self.release))
    }
    try unary("RemoveNode") { try $0.removeNode($1, $2) }
    try unary("GetStats") { gateway, call, _ in
      _ = try gateway.identities.speaker(call)
      try call.answer(gateway.answers.stats(gateway.currentCounts))
    }
    try unary("Deregister") { try $0.deregister($1, $2) }
    try serveWatch()
    try context.rpc.describe(gatewayDescriptors)
  }

  private func unary(
    _ name: String, needsRegistry: Bool = true,
    _ body: @escaping (Gateway, RpcServerCall, [UInt8]) throws -> Void
  ) throws {
    try context.rpc.unary("/GatewayService/\(name)", listener: settings.listener) { [unowned self] call, bytes in
      do {
        if needsRegistry { try requireReady() }
        try body(self, call, bytes)
      } catch { refuse(call, RoleError(error)) }
    }
  }

  private func serveWatch() throws {
    try context.rpc.stream("/GatewayService/Watch", listener: settings.listener) { [unowned self] call in
      call.receive(byCredit: true) { [unowned self, unowned call] bytes in
        do {
          try requireReady()
          _ = try identities.speaker(call)
          try watchers.begin(call, WatchRequest(bytes, limits), isNewest: log.isLeading)
        } catch { refuse(call, RoleError(error)) }
      }
    }
  }

  /// Who may try again is told when.
  func refuse(_ call: RpcServerCall, _ error: RoleError) {
    counts.refusals += 1
    let mayTryAgain = error.status == .resourceExhausted || error.status == .unavailable
    let milliseconds = settings.retryAfter.nanoseconds / 1_000_000
    try? call.fail(error, metadata: mayTryAgain ? ["retry-after-ms": "\(milliseconds)"] : [:])
  }

  /// The same for an answer that comes later; the client may have gone.
  func answer(_ call: RpcServerCall, _ result: Result<[UInt8], RoleError>) {
    switch result {
    case .success(let bytes): try? call.answer(bytes)
    case .failure(let error): refuse(call, error)
    }
  }

  var currentCounts: Counts {
    var current = counts
    current.active = registry.nodes.values.reduce(0) { $0 + (whoIsThere.status(of: $1).status == "active" ? 1 : 0) }
    current.uptime = Double(startedAt.duration(to: context.now).nanoseconds) / 1e9
    current.watchers = watchers.count
    return current
  }
}
