import HostCore
import NodeValues

/// What hostctl asks about swaps.
extension Node {
  func swap(_ request: SwapRequest, _ reply: @escaping ControlServer.Reply) {
    guard allowsRuntimeLoading(reply) else { return }
    var wanted: [ManagedRole] = []
    if request.all {
      wanted = roles.filter { $0.state == .running }
    } else {
      for name in request.roles {
        guard let role = role(name) else { return withRole(name, reply) { _ in } }
        wanted.append(role)
      }
    }
    let source = request.plugin.map { PluginLoader.Wish.Source.file($0) } ?? .named
    swap(wanted, from: source, cause: .swap, isForced: request.force) { [self] in answer($0, $1, reply) }
  }

  func rollBack(_ role: ManagedRole, to number: Int?, _ reply: @escaping ControlServer.Reply) {
    guard allowsRuntimeLoading(reply) else { return }
    let found = number.map { role.history.generation($0) } ?? role.history.previous
    guard let generation = found else {
      let what = number.map { "generation \($0)" } ?? "earlier build that served"
      let remedy = "`hostctl history \(role.name)` shows what there is"
      return reply(.failure(.init(.notFound, "it has no \(what); \(remedy)", place: role.name)))
    }
    swap([role], from: .copy(generation.copy), cause: .rollback, isForced: role.history.quarantine.isEmpty) { [self] in
      answer($0, $1, reply)
    }
  }

  private func answer(_ swap: RoleSwap, _ outcome: RoleSwap.Outcome, _ reply: ControlServer.Reply) {
    switch outcome {
    case .failure(let failure):
      reply(.failure(.init(.failedPrecondition, failure.reason)))
    case .success(let members):
      let probation = members.map { $0.role.plan.limits.probationMilliseconds }.max() ?? 0
      let entries = members.map { member in
        SwapOutcome.Entry(
          role: member.name, generation: member.generation, version: member.loaded?.library.description.version ?? "",
          sha256: member.loaded?.library.file.sha256 ?? "", pauseMicroseconds: Int(member.pauseNanoseconds / 1000),
          stateBytes: member.stateBytes ?? 0)
      }
      reply(.json(SwapOutcome(swapped: entries, unchanged: swap.unchanged, probationMilliseconds: probation).json))
    }
  }
}
