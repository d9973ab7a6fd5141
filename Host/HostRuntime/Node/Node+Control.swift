import CNodeABI
package import HostCore
import NodeSchema
import NodeValues

/// The control interface: what the node does when it is asked. Everything here runs on the control loop.
extension Node {
  package typealias Reply = @Sendable (ControlReply) -> Void

  package func answer(_ request: ControlRequest, _ reply: @escaping Reply) {
    switch request {
    case .version:
      reply(.json(VersionReport.json(abiMajor: NH_ABI_MAJOR, abiRevision: HostABI.revisionMost)))
    case .status:
      gatherHealth(of: roles) { [self] in reply(.json(reportStatus(HealthReport(roles: $0)).json)) }
    case .health:
      gatherHealth(of: roles) {
        let report = HealthReport(roles: $0)
        reply(.json(report.json, status: report.httpStatus))
      }
    case .roles:
      gatherHealth(of: roles) { [self] health in
        let entries = health.compactMap { entry in role(entry.name).map { report($0, entry) } }
        reply(.json(RoleEntry.list(entries, node: plan.name)))
      }
    case .peers: reportPeers(reply)
    case .cutPeer(let cut): cutPeer(cut, reply)
    case .metrics(let json): reply(json ? .json(services.metrics.json()) : .text(services.metrics.text()))
    case .logs(let query): reply(.logs(query))
    case .reload: reload(reply)
    case .load(let request): load(request, reply)
    case .role(let name):
      withRole(name, reply) { [self] role in
        gatherHealth(of: [role]) { [self] in reply(.json(describe(role, $0[0]).json)) }
      }
    case .restart(let name):
      withRole(name, reply) { [self] role in
        guard !refusesWhileEnding(reply) else { return }
        restart(role)
        replyWhenDecided(role, reply)
      }
    case .swap(let request): swap(request, reply)
    case .history(let name): withRole(name, reply) { reply(.json($0.history.report(role: name))) }
    case .rollback(let name, let generation):
      withRole(name, reply) { [self] in rollBack($0, to: generation, reply) }
    case .store(let name, let query): answer(query, of: name, reply)
    case .blobs(let name, let query): withRole(name, reply) { [self] in blobs($0, query, reply) }
    case .unload(let name): withRole(name, reply) { [self] in unload($0, reply) }
    case .call(let name, let method, let input):
      if let node = input.node { return callFar(node, name, method, input, reply) }
      withRole(name, reply) { [self] in call($0, method, input, reply) }
    }
  }

  func withRole(_ name: String, _ reply: Reply, _ body: (ManagedRole) -> Void) {
    if let role = role(name) { return body(role) }
    let near = nearestWord(to: name, among: roles.map(\.name)).map { "; did you mean `\($0)`?" }
    let names = roles.isEmpty ? "; it has none" : "; it has \(roles.map(\.name).joined(separator: ", "))"
    reply(.failure(.init(.notFound, "this node has no role `\(name)`\(near ?? names)", place: name)))
  }

  private func replyWhenDecided(_ role: ManagedRole, _ reply: @escaping Reply) {
    whenDecided(role) { [self] role in
      if let reason = role.trouble {
        let again = role.state.isSettled || role.overdue != nil ? "" : " (will be tried again)"
        return reply(.failure(.init(.failedPrecondition, reason + again, place: role.name)))
      }
      gatherHealth(of: [role]) { [self] in reply(.json(report(role, $0[0]).json)) }
    }
  }

  private func call(_ role: ManagedRole, _ name: String, _ request: HostCore.CallRequest, _ reply: @escaping Reply) {
    guard let instance = role.instance, role.state == .running else {
      let reason = role.trouble.map { ": \($0)" } ?? ""
      return reply(.failure(.init(.unavailable, "it is \(role.state.name)\(reason)", place: role.name)))
    }
    guard let method = instance.method(name) else {
      let near = nearestWord(to: name, among: instance.description.methods.map(\.name))
      let hint = near.map { "did you mean `\($0)`?" } ?? "see `hostctl describe \(role.name)`"
      return reply(.failure(.init(.unimplemented, "there is no method `\(name)`; \(hint)", place: role.name)))
    }
    let place = "\(role.name).\(name)"
    let values: [Value]
    do {
      values = try CallArguments.values(request.input, for: method.description.shape)
    } catch {
      return reply(.failure(.init(.invalidArgument, error.description, place: place)))
    }
    let started = EventLoop.now()
    let wait = request.timeoutMilliseconds ?? Int64(instance.limits.callTimeoutMilliseconds)
    RoleCall(instance, method, PackedValues(values), deadline: started &+ wait &* 1_000_000) { [control] outcome in
      let microseconds = (EventLoop.now() - started) / 1000
      control.post { reply(Self.reply(outcome, method.result, microseconds, place)) }
    }.send()
  }

  static func reply(_ outcome: CallOutcome, _ type: ValueType, _ microseconds: Int64, _ place: String)
    -> ControlReply
  {
    switch outcome {
    case .value(let value): .json(CallReply(value: value, type: type, durationMicroseconds: microseconds).json)
    case .error(let status, let message):
      .failure(.init(StatusCode(rawValue: status) ?? .unknown, message, place: place))
    }
  }

  // MARK: Changes

  private func load(_ request: LoadRequest, _ reply: @escaping Reply) {
    guard allowsRuntimeLoading(reply) else { return }
    let name = request.name ?? request.role
    guard role(name) == nil else {
      let message = "this node has a role `\(name)` already; unload it first, or give another name"
      return reply(.failure(.init(.alreadyExists, message, place: name)))
    }
    let plan: ManifestRole
    do {
      plan = try Self.plan(loading: request, name: name)
    } catch {
      return reply(.failure(.init(.invalidArgument, error.description, place: name)))
    }
    let role = add(plan)
    // Somebody waits for the first attempt.
    role.lifecycle.policy.when = .never
    begin(role)
    whenDecided(role) { [self] role in
      role.lifecycle.policy = plan.restart
      // A load that failed leaves nothing behind: the one who asked has the reason.
      guard let reason = role.trouble else { return replyWhenDecided(role, reply) }
      remove(role)
      reply(.failure(.init(.failedPrecondition, reason, place: name)))
    }
  }

  /// A role that is not in the manifest: read as if it were, so that the same rules and defaults hold.
  private static func plan(loading request: LoadRequest, name: String) throws(ManifestProblems) -> ManifestRole {
    var role = JSONObject([("role", .string(request.role)), ("name", .string(name))])
    role["config"] = request.config
    let manifest: JSON = ["nodehost": 1, "node": ["id": 1, "name": "load"], "roles": [.object(role)]]
    let nothing = Interpolation(variable: { _ in nil }, file: { _ in .failure(.init("is not read here")) })
    let text = Array(manifest.description.utf8)
    var plan = try ManifestFile.parse(text, named: "load", values: nothing).manifest.roles[0]
    // Nobody has seen that text, so faults have no place in it.
    plan.places.sources = Sources()
    // A manifest names plugins only; here it may be a file, if the node allows other folders than its own.
    plan.plugin = request.plugin ?? request.role
    return plan
  }

  private func unload(_ role: ManagedRole, _ reply: @escaping Reply) {
    guard allowsRuntimeLoading(reply) else { return }
    if let dependent = roles.first(where: { needs($0, role) && !$0.isLeaving && $0.state == .running }) {
      let message = "`\(dependent.name)` needs it; unload `\(dependent.name)` first"
      return reply(.failure(.init(.failedPrecondition, message, place: role.name)))
    }
    remove(role)
    whenDecided(role) { _ in reply(.json(.object(JSONObject()))) }
  }

  private func refusesWhileEnding(_ reply: Reply) -> Bool {
    if isEnding { reply(.failure(.init(.unavailable, "the node is draining"))) }
    return isEnding
  }

  func allowsRuntimeLoading(_ reply: Reply) -> Bool {
    allowsChanges("this node does not load, unload or swap roles while it runs", reply)
  }

  func allowsChanges(_ refusal: String, _ reply: Reply) -> Bool {
    guard !refusesWhileEnding(reply) else { return false }
    if plan.allowsChanges { return true }
    let remedy = "write `hot_swap: on` under `plugins:` in the manifest, or run the node with --dev"
    reply(.failure(.init(.permissionDenied, "\(refusal); \(remedy)")))
    return false
  }

  func whenDecided(_ role: ManagedRole, _ done: @escaping (ManagedRole) -> Void) {
    if role.isDecided { done(role) } else { role.whenDecided.append(done) }
  }
}
