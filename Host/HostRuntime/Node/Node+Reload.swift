import CNodeABI
import HostCore
import NodeValues

/// Applying a manifest that was read again: what is the same stays untouched.
extension Node {
  /// What a reload did, for whoever asked.
  private final class Changes {
    var outcome = ReloadOutcome()
    /// Roles that have not come to rest yet, and one for the reload itself.
    var pending = 1
    var failures: [String] = []
    let done: ControlServer.Reply

    init(_ done: @escaping ControlServer.Reply) { self.done = done }

    func finishedOne() {
      pending -= 1
      if pending == 0 { done(failures.isEmpty ? .json(outcome.json) : failure) }
    }

    private var failure: ControlReply {
      let reasons = failures.joined(separator: "; and ")
      return .failure(.init(.failedPrecondition, "the manifest was applied, but \(reasons)"))
    }
  }

  /// Reads the manifest again and applies the difference. A manifest with errors changes nothing.
  func reload(_ reply: @escaping ControlServer.Reply) {
    guard let readPlan else { return reply(.failure(.init(.unimplemented, "this node runs without a manifest"))) }
    guard !isEnding else { return reply(.failure(.init(.unavailable, "the node is draining"))) }
    switch readPlan() {
    case .failure(let problem):
      log(NH_LOG_ERROR, "the manifest is not applied:\n\(problem.text)")
      reply(
        .failure(.init(.invalidArgument, "the manifest has errors and is not applied:\n\(problem.text)")))
    case .success(let new): apply(new, reply)
    }
  }

  private func apply(_ new: NodePlan, _ reply: @escaping ControlServer.Reply) {
    let changes = Changes { [self] outcome in
      log(NH_LOG_INFO, "the manifest has been applied")
      reply(outcome)
    }
    let difference = ManifestDifference(from: plan.manifest, to: new.manifest)
    adopt(new)
    services.log.setLevel(new.manifest.log)
    changes.outcome.needsNodeRestart = difference.needsRestart
    for name in difference.removed { withRole(name) { leave($0, changes) } }
    for role in new.manifest.roles {
      if difference.added.contains(role.name) { arrive(role, changes) } else { replan(role, difference, changes) }
    }
    changes.finishedOne()
  }

  private func withRole(_ name: String, _ body: (ManagedRole) -> Void) { role(name).map(body) }

  private func leave(_ role: ManagedRole, _ changes: Changes) {
    changes.outcome.removed.append(role.name)
    remove(role)
    wait(for: role, changes)
  }

  private func arrive(_ plan: ManifestRole, _ changes: Changes) {
    // A role of this name that was loaded by hand makes room for the manifest's.
    if let present = role(plan.name) { return startAnew(present, as: plan, changes) }
    changes.outcome.added.append(plan.name)
    let role = add(plan)
    begin(role)
    wait(for: role, changes)
  }

  private func startAnew(_ role: ManagedRole, as plan: ManifestRole, _ changes: Changes) {
    role.plan = plan
    role.lifecycle.policy = plan.restart
    changes.outcome.restarted.append(role.name)
    restart(role)
    wait(for: role, changes)
  }

  private func replan(_ plan: ManifestRole, _ difference: ManifestDifference, _ changes: Changes) {
    guard let role = role(plan.name) else { return arrive(plan, changes) }
    if difference.unchanged.contains(plan.name), role.state.failureReason == nil {
      changes.outcome.unchanged += 1
    } else if difference.reconfigured.contains(plan.name), role.state == .running {
      role.plan = plan
      reconfigure(role, changes)
    } else {
      // A role that failed gets another chance: what it missed may be there now.
      startAnew(role, as: plan, changes)
    }
  }

  /// The new configuration is checked like that of a new role before the running one sees it.
  private func reconfigure(_ entry: ManagedRole, _ changes: Changes) {
    changes.pending += 1
    let reference = UncheckedReference(entry), counting = UncheckedReference(changes)
    check(entry) { [self] result in
      switch result {
      case .failure(let refusal):
        counting.value.failures.append(
          "\(reference.value.name) keeps its old configuration: \(refusal.reason(for: reference.value.plan))")
        counting.value.finishedOne()
      case .success(let config):
        ask(
          reference.value,
          { role in Result { () throws(RoleInstance.Failure) in try role.reconfigure(config: config) } }
        ) {
          self.reconfigured(reference.value, $0, counting.value)
        }
      }
    }
  }

  private func reconfigured(_ entry: ManagedRole, _ outcome: Result<Bool, RoleInstance.Failure>?, _ changes: Changes) {
    defer { changes.finishedOne() }
    switch outcome {
    case .success(true): changes.outcome.reconfigured.append(entry.name)
    case .failure(let failure):
      changes.failures.append("\(entry.name) keeps its old configuration: \(failure.message)")
    case .success(false), nil:
      changes.outcome.restarted.append(entry.name)
      restart(entry)
      wait(for: entry, changes)
    }
  }

  private func wait(for entry: ManagedRole, _ changes: Changes) {
    changes.pending += 1
    whenSettled(entry) { entry in
      if let reason = entry.state.failureReason { changes.failures.append("\(entry.name) failed: \(reason)") }
      changes.finishedOne()
    }
  }
}
