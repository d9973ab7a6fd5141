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
    var report: () -> Void = {}
    let done: ControlServer.Reply

    init(_ done: @escaping ControlServer.Reply) { self.done = done }

    func finishedOne() {
      pending -= 1
      guard pending == 0 else { return }
      report()
      done(failures.isEmpty ? .json(outcome.json) : failure)
    }

    private var failure: ControlReply {
      let reasons = failures.joined(separator: "; and ")
      return .failure(.init(.failedPrecondition, "the manifest was applied, but \(reasons)"))
    }

    /// In words, for the log.
    var summary: String {
      let lists = [
        ("added", outcome.added), ("removed", outcome.removed), ("reconfigured", outcome.reconfigured),
        ("restarted", outcome.restarted),
      ]
      let changes = lists.filter { !$0.1.isEmpty }.map { "\($0.0) \($0.1.joined(separator: ", "))" }
      return (changes + ["\(outcome.unchanged) unchanged"]).joined(separator: "; ")
    }
  }

  /// Reads the manifest again and applies the difference. A manifest with errors changes nothing. Certificates are read
  /// again in any case, and access logs opened: they change without it.
  func reload(_ reply: @escaping ControlServer.Reply) {
    let ownTLS = [remoteControl?.listener.reloadTLS()].compactMap { $0 }
    let problems = ownTLS + services.http.reloadTLS() + services.http.reopenLogs() + reloadProof()
    for problem in problems { log(NH_LOG_ERROR, problem) }
    guard let readPlan else { return reply(.failure(.init(.unimplemented, "this node runs without a manifest"))) }
    guard !isEnding else { return reply(.failure(.init(.unavailable, "the node is draining"))) }
    switch readPlan() {
    case .failure(let problem):
      for sentence in problem.sentences { log(NH_LOG_ERROR, "the manifest is not applied: \(sentence)") }
      let errors = (problem.sentences + ["`nodehost validate` shows the lines"]).joined(separator: "\n")
      reply(.failure(.init(.invalidArgument, "the manifest has errors and is not applied:\n\(errors)")))
    case .success(let new): apply(new, reply)
    }
  }

  private func apply(_ new: NodePlan, _ reply: @escaping ControlServer.Reply) {
    let changes = Changes(reply)
    changes.report = { [self, unowned changes] in report(changes) }
    var before = plan.manifest
    adopt(new, into: &before)
    let difference = ManifestDifference(from: before, to: new.manifest)
    adopt(new)
    services.log.setLevel(new.manifest.log)
    changes.outcome.needsNodeRestart = difference.needsRestart
    for name in difference.removed { withRole(name) { leave($0, changes) } }
    for role in new.manifest.roles {
      if difference.added.contains(role.name) { arrive(role, changes) } else { replan(role, difference, changes) }
    }
    changes.finishedOne()
  }

  private func report(_ changes: Changes) {
    log(NH_LOG_INFO, "the manifest has been applied: \(changes.summary)")
    for failure in changes.failures { log(NH_LOG_ERROR, failure) }
    for section in changes.outcome.needsNodeRestart {
      log(NH_LOG_WARNING, "`\(section)` differs in the manifest: that takes effect only when the node starts again")
    }
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
    role.isLeaving = false
    changes.outcome.restarted.append(role.name)
    restart(role)
    wait(for: role, changes)
  }

  private func replan(_ plan: ManifestRole, _ difference: ManifestDifference, _ changes: Changes) {
    guard let role = role(plan.name) else { return arrive(plan, changes) }
    // Its new build was created with the old configuration.
    if let swap = role.swap, difference.reconfigured.contains(plan.name) { handle(.interrupted, swap) }
    if difference.unchanged.contains(plan.name), role.state.failureReason == nil, !role.isLeaving {
      changes.outcome.unchanged += 1
    } else if difference.reconfigured.contains(plan.name), role.state == .running {
      reconfigure(role, as: plan, changes)
    } else {
      // A role that failed gets another chance: what it missed may be there now.
      startAnew(role, as: plan, changes)
    }
  }

  /// The new configuration is checked like that of a new role before the running one sees it.
  private func reconfigure(_ role: ManagedRole, as plan: ManifestRole, _ changes: Changes) {
    changes.pending += 1
    let before = role.plan
    role.plan = plan
    let reference = UncheckedReference(role), counting = UncheckedReference(changes)
    check(role) { [self] result in
      switch result {
      case .failure(let refusal):
        keep(before, for: reference.value, refusal.reason(for: reference.value.plan), counting.value)
        counting.value.finishedOne()
      case .success(let config):
        ask(
          reference.value,
          { role in Result { () throws(RoleInstance.Failure) in try role.reconfigure(config: config) } }
        ) {
          self.reconfigured(reference.value, from: before, $0, counting.value)
        }
      }
    }
  }

  /// The old plan stays, for the next start of the role and as what the next reload compares with.
  private func keep(_ before: ManifestRole, for role: ManagedRole, _ reason: String, _ changes: Changes) {
    role.plan = before
    keepInManifest(before)
    changes.failures.append("\(role.name) keeps its old configuration: \(reason)")
  }

  private func reconfigured(
    _ role: ManagedRole, from before: ManifestRole, _ outcome: Result<Bool, RoleInstance.Failure>?, _ changes: Changes
  ) {
    defer { changes.finishedOne() }
    switch outcome {
    case .success(true): changes.outcome.reconfigured.append(role.name)
    case .failure(let failure): keep(before, for: role, failure.message, changes)
    case .success(false), nil:
      changes.outcome.restarted.append(role.name)
      restart(role)
      wait(for: role, changes)
    }
  }

  private func wait(for role: ManagedRole, _ changes: Changes) {
    changes.pending += 1
    whenDecided(role) { role in
      if let reason = role.trouble { changes.failures.append("\(role.name) failed: \(reason)") }
      changes.finishedOne()
    }
  }
}
