import CNodeABI
import HostCore

/// Swaps: what SwapProtocol decides is carried out here, on the loader's and the roles' loops.
extension Node {
  static let healthPollMilliseconds: Int64 = 250

  /// Lets other builds take over roles that run, all of them or none.
  func swap(
    _ roles: [ManagedRole], from source: PluginLoader.Wish.Source, cause: Generation.Cause, isForced: Bool = false,
    _ done: @escaping (RoleSwap, RoleSwap.Outcome) -> Void
  ) {
    let members = roles.compactMap(RoleSwap.Member.init)
    let swap = RoleSwap(members, source, cause, isForced: isForced, done)
    if let idle = roles.first(where: { $0.state != .running || $0.instance == nil || $0.overdue != nil }) {
      let reason = idle.trouble.map { ": \($0)" } ?? ""
      return swap.answer(.failure(SwapFailure(reason: "`\(idle.name)` is \(idle.state.name)\(reason)")))
    }
    // One after the other; but who is only on probation makes room for the next build.
    for other in roles.compactMap(\.swap) where other.machine.step == .probation { handle(.interrupted, other) }
    if let busy = roles.compactMap(\.swap).first {
      busy.whenEnded.append { [self] in self.swap(roles, from: source, cause: cause, isForced: isForced, done) }
      return
    }
    for role in roles { role.swap = swap }
    carryOut(.begin(.checking), swap)
  }

  func handle(_ event: SwapProtocol.Event, _ swap: RoleSwap) {
    let step = swap.machine.step
    if case .failed(let name, let reason) = event { blame(name, reason, at: step, swap) }
    for directive in swap.machine.handle(event) { carryOut(directive, swap) }
  }

  private func carryOut(_ directive: SwapProtocol.Directive, _ swap: RoleSwap) {
    switch directive {
    case .begin(let step): for member in swap.members { begin(step, member, swap) }
    case .flip: flip(swap)
    case .abort(let reason): abort(swap, reason)
    case .revert(let reason): revert(swap, reason)
    case .retire: retire(swap)
    case .nothingToDo:
      swap.answer(.success([]))
      ended(swap)
    }
  }

  private func begin(_ step: SwapProtocol.Step, _ member: RoleSwap.Member, _ swap: RoleSwap) {
    switch step {
    case .checking: check(member, swap)
    case .creating:
      perform(member, swap) { instance throws(RoleInstance.Failure) in
        try instance.create(config: member.loaded?.config ?? "{}")
      }
    case .quieting: quiet(member, swap)
    case .moving: move(member, swap)
    case .probation, .done: break
    }
  }

  // MARK: The steps

  /// The role's present state is put on disk first: whatever becomes of the swap, a restart finds it there.
  private func check(_ member: RoleSwap.Member, _ swap: RoleSwap) {
    let (plan, allow) = (member.role.plan, plan.manifest.plugins.allow)
    let archive = archive(of: member.role)
    let quarantine = swap.isForced ? [:] : member.role.history.quarantine
    let (source, saved) = (swap.source, member.oldLoaded.library.description)
    let references = UncheckedReference(Pair(member, swap))
    limit(member, swap, "save has not returned")
    ask(member.role, { $0.finalState() }) { [self] state in
      unlimit(references.value.first)
      guard references.value.second.machine.step == .checking else { return }
      archiveLoop.post { [self] in
        let bytes = state ?? nil
        if let bytes { _ = archive.write(SavedState(role: saved.id, version: saved.stateVersion, bytes: bytes)) }
        let wish = PluginLoader.Wish(
          source: source, quarantine: quarantine, state: bytes == nil ? nil : archive.statePath)
        loaderLoop.post { [self] in
          let result = Result { () throws(PluginRefusal) in try loader.load(plan, allow: allow, wish) }
          tidyCopies()
          control.post { [self] in checked(references.value.first, references.value.second, result) }
        }
      }
    }
  }

  private func checked(
    _ member: RoleSwap.Member, _ swap: RoleSwap, _ result: Result<PluginLoader.Loaded, PluginRefusal>
  ) {
    guard swap.machine.step == .checking else { return }
    switch result {
    case .failure(let refusal):
      let reason = refusal.reason(for: member.role.plan)
      if case .plugin(let problem) = refusal, problem.kind.condemnsBuild, let build = problem.build {
        condemn(build, reason, of: member, swap)
      }
      handle(.failed(member.name, reason: reason), swap)
    case .success(let loaded) where isSame(loaded, member.oldLoaded) && !swap.isForced:
      member.role.swap = nil
      swap.drop(member)
      handle(.unchanged(member.name), swap)
    case .success(let loaded):
      do throws(StateRefusal) {
        member.transfer = try StateTransfer.plan(
          from: member.oldLoaded.library.stateAbility, to: loaded.library.stateAbility,
          mayColdStart: member.role.plan.coldStart)
      } catch {
        return handle(.failed(member.name, reason: error.message), swap)
      }
      member.loaded = loaded
      member.instance = RoleInstance(member.oldInstance.seat, library: loaded.library)
      member.generation = member.role.history.nextNumber
      record(member, swap, .trying)
      // If the node dies of it, the next one finds that on the disk.
      let references = UncheckedReference(Pair(member, swap))
      archiveLoop.post { [self] in
        control.post { [self] in
          if references.value.second.machine.step == .checking {
            handle(.did(references.value.first.name), references.value.second)
          }
        }
      }
    }
  }

  private func isSame(_ one: PluginLoader.Loaded, _ other: PluginLoader.Loaded) -> Bool {
    one.library.file.sha256 == other.library.file.sha256
  }

  private func perform(
    _ member: RoleSwap.Member, _ swap: RoleSwap,
    _ work: @escaping (RoleInstance) throws(RoleInstance.Failure) -> Void
  ) {
    guard let instance = member.instance else { return }
    let references = UncheckedReference(Pair(member, swap))
    let work = UncheckedReference(Box(work))
    limit(member, swap, "\(swap.machine.step == .creating ? "create" : "save, load or start") has not returned")
    instance.loop.post { [self] in
      let result = Result { () throws(RoleInstance.Failure) in try work.value.content(instance) }
      control.post { [self] in did(references.value.first, references.value.second, result) }
    }
  }

  /// Code that does not return holds its loop, and cannot be interrupted; but whoever waits for the swap is told.
  private func limit(_ member: RoleSwap.Member, _ swap: RoleSwap, _ what: String) {
    unlimit(member)
    let milliseconds = member.role.plan.limits.startMilliseconds
    member.limit = DelayedWork.after(milliseconds: Int64(milliseconds), on: control) { [self] in
      member.limit = nil
      let reason = "\(what) after \(milliseconds) ms"
      member.role.overdue = reason
      handle(.failed(member.name, reason: reason), swap)
    }
  }

  private func unlimit(_ member: RoleSwap.Member) {
    if let timer = member.limit { control.cancelTimer(timer) } else { member.role.overdue = nil }
    member.limit = nil
  }

  private func did(_ member: RoleSwap.Member, _ swap: RoleSwap, _ result: Result<Void, RoleInstance.Failure>) {
    unlimit(member)
    switch result {
    case .success: handle(.did(member.name), swap)
    case .failure(let failure): handle(.failed(member.name, reason: failure.message), swap)
    }
  }

  private func quiet(_ member: RoleSwap.Member, _ swap: RoleSwap) {
    let seat = member.oldInstance.seat
    let references = UncheckedReference(Pair(member, swap))
    let limit = member.role.plan.limits.swapMilliseconds
    seat.loop.post { [self] in
      seat.quiet(limitMilliseconds: limit) { [self] in
        control.post { [self] in handle(.did(references.value.first.name), references.value.second) }
      }
    }
  }

  private func move(_ member: RoleSwap.Member, _ swap: RoleSwap) {
    let archive = archive(of: member.role)
    let saved = member.oldLoaded.library.description
    let mayColdStart = member.role.plan.coldStart
    perform(member, swap) { [self] instance throws(RoleInstance.Failure) in
      let state = try instance.seat.move(to: instance, member.transfer, mayColdStart: mayColdStart)
      guard let state else { return }
      member.stateBytes = state.count
      archiveLoop.post {
        _ = archive.write(SavedState(role: saved.id, version: saved.stateVersion, bytes: state))
      }
    }
  }

  private func flip(_ swap: RoleSwap) {
    swap.flipping = swap.members.count
    for member in swap.members {
      guard let instance = member.instance, let loaded = member.loaded else { continue }
      member.role.instance = instance
      member.role.loaded = loaded
      member.role.generation = member.generation
      let references = UncheckedReference(Pair(member, swap))
      instance.loop.post { [self] in
        let pause = instance.seat.flip()
        let isLive = instance.isLive
        control.post { [self] in
          flipped(references.value.first, references.value.second, pause)
          // A fault between the steps found nobody whose instance it was.
          let reason = "it gave up while it took over"
          if !isLive { handle(.failed(references.value.first.name, reason: reason), references.value.second) }
        }
      }
    }
    let probation = swap.members.map { Int64($0.role.plan.limits.probationMilliseconds) }.max() ?? 0
    swap.probationTimer = DelayedWork.after(milliseconds: probation, on: control) { [self] in endProbation(swap) }
    pollHealth(swap)
  }

  private func flipped(_ member: RoleSwap.Member, _ swap: RoleSwap, _ pause: Int64) {
    member.pauseNanoseconds = pause
    record(member, swap, .running) {
      $0.end(member.oldGeneration, .replaced)
      // Somebody insisted on it, and was right.
      if let sha256 = member.loaded?.library.file.sha256 { $0.release(sha256) }
    }
    let version = member.loaded?.library.description.version ?? ""
    log(
      NH_LOG_INFO, "swapped: \(version), generation \(member.generation), after a pause of \(pause / 1000) µs",
      role: member.name)
    swap.flipping -= 1
    guard swap.flipping == 0 else { return }
    swap.answer(.success(swap.members))
    // Somebody has a newer build waiting, so this one needs no probation.
    if !swap.whenEnded.isEmpty { handle(.interrupted, swap) }
  }

  /// A role that says on probation that it has failed goes back.
  private func pollHealth(_ swap: RoleSwap) {
    swap.healthTimer = DelayedWork.after(milliseconds: Self.healthPollMilliseconds, on: control) { [self] in
      for member in swap.members {
        let references = UncheckedReference(Pair(member, swap))
        ask(member.role, { $0.health() }) { [self] health in
          guard let health, health.health == .failed else { return }
          let reason = "its health is failed: \(health.reason)"
          handle(.failed(references.value.first.name, reason: reason), references.value.second)
        }
      }
      if swap.machine.step == .probation { pollHealth(swap) }
    }
  }

  /// On disk before the old builds are told to go: should the node die of that, it was not the new ones' fault.
  private func endProbation(_ swap: RoleSwap) {
    acquit(swap)
    let reference = UncheckedReference(swap)
    archiveLoop.post { [self] in
      control.post { [self] in handle(.probationOver, reference.value) }
    }
  }

  private func acquit(_ swap: RoleSwap) {
    for member in swap.members {
      guard member.role.history.generation(member.generation)?.isOnProbation == true else { continue }
      update(member.role) { $0.update(member.generation) { $0.isOnProbation = false } }
    }
  }

  // MARK: The ends

  private func abort(_ swap: RoleSwap, _ reason: String) {
    for member in swap.members {
      guard let instance = member.instance else { continue }
      instance.loop.post { instance.seat.abort(instance) }
      let isOpen = member.role.history.generation(member.generation)?.outcome == .trying
      if isOpen { update(member.role) { $0.end(member.generation, .refused(reason)) } }
    }
    log(NH_LOG_ERROR, "not swapped: \(reason)", role: swap.members.count == 1 ? swap.members[0].name : "")
    swap.answer(.failure(SwapFailure(reason: reason)))
    ended(swap)
  }

  private func revert(_ swap: RoleSwap, _ reason: String) {
    for member in swap.members {
      guard let instance = member.instance else { continue }
      member.role.instance = member.oldInstance
      member.role.loaded = member.oldLoaded
      member.role.generation = member.oldGeneration
      update(member.role) {
        $0.end(member.generation, .reverted(reason))
        $0.update(member.oldGeneration) { $0.outcome = .running }
      }
      instance.loop.post { instance.seat.revert() }
      log(NH_LOG_ERROR, "back to generation \(member.oldGeneration): \(reason)", role: member.name)
    }
    swap.answer(.failure(SwapFailure(reason: reason)))
    ended(swap)
  }

  private func retire(_ swap: RoleSwap) {
    acquit(swap)
    for member in swap.members {
      let seat = member.oldInstance.seat
      seat.loop.post { seat.retire() }
    }
    ended(swap)
  }

  private func ended(_ swap: RoleSwap) {
    for timer in [swap.probationTimer, swap.healthTimer].compactMap(\.self) { control.cancelTimer(timer) }
    for member in swap.members where member.role.swap === swap { member.role.swap = nil }
    let waiters = swap.whenEnded
    swap.whenEnded = []
    for waiter in waiters { waiter() }
  }

  // MARK: History

  /// A build that was opened here and failed is not tried again by itself.
  private func blame(_ name: String, _ reason: String, at step: SwapProtocol.Step, _ swap: RoleSwap) {
    guard let member = swap.members.first(where: { $0.name == name }), let loaded = member.loaded,
      [.creating, .moving, .probation].contains(step)
    else { return }
    condemn(loaded.library.file.sha256, reason, of: member, swap)
    if step != .probation { record(member, swap, .refused(reason)) }
  }

  /// The roles of a plugin go over together or not at all, so none of them tries it again, also at the next start.
  private func condemn(_ build: String, _ reason: String, of member: RoleSwap.Member, _ swap: RoleSwap) {
    for other in swap.members where other.role.plan.plugin == member.role.plan.plugin {
      update(other.role) { $0.quarantine(build, because: reason) }
    }
  }

  private func record(
    _ member: RoleSwap.Member, _ swap: RoleSwap, _ outcome: Generation.Outcome,
    _ change: (inout RoleHistory) -> Void = { _ in }
  ) {
    guard let library = member.loaded?.library else { return }
    var generation = Generation(
      number: member.generation, sha256: library.file.sha256, version: library.description.version,
      copy: library.file.copy, began: Timestamp.now() / 1_000_000, cause: swap.cause)
    generation.outcome = outcome
    if outcome == .running {
      generation.isOnProbation = swap.machine.step == .probation
      generation.pauseMicroseconds = member.pauseNanoseconds / 1000
    }
    generation.stateBytes = member.stateBytes
    update(member.role) {
      change(&$0)
      $0.put(generation)
    }
  }
}

/// Two references on their way through another loop.
private final class Pair<First: AnyObject, Second: AnyObject> {
  let first: First
  let second: Second
  init(_ first: First, _ second: Second) {
    self.first = first
    self.second = second
  }
}

final class Box<Content> {
  let content: Content
  init(_ content: Content) { self.content = content }
}
