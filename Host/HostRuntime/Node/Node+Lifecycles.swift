import CNodeABI
import HostCore
import NodeValues
import Synchronization

/// Carries out what the roles' lifecycles decide: on the loader's loop, on the roles' loops, and after a while.
extension Node {
  func handle(_ event: RoleLifecycle.Event, _ role: ManagedRole) {
    // A swap knows only roles that run.
    switch event {
    case .end, .faulted: if let swap = role.swap { handle(.interrupted, swap) }
    default: break
    }
    let before = role.state
    let directives = role.lifecycle.handle(event, random: HostRandom.number)
    report(role, before)
    for directive in directives { carryOut(directive, role) }
    guard role.state != before else { return }
    if role.state.isSettled { services.http.forget(role.name) }
    stateChanged(role)
  }

  private func report(_ role: ManagedRole, _ before: RoleLifecycle.State) {
    guard role.state != before else { return }
    switch role.state {
    case .failed(let reason, _): log(NH_LOG_ERROR, reason, role: role.name)
    case .running:
      role.runningSince = EventLoop.now()
      let version = role.loaded?.library.description.version ?? ""
      log(NH_LOG_INFO, "running (\(role.plan.role) \(version), generation \(role.generation))", role: role.name)
    default: log(NH_LOG_DEBUG, role.state.name, role: role.name)
    }
  }

  func stateChanged(_ role: ManagedRole) {
    startWaiting()
    tellIfDecided(role)
    tellIfReady()
    if isEnding { endNext() }
  }

  func tellIfDecided(_ role: ManagedRole) {
    guard role.isDecided else { return }
    let waiters = role.whenDecided
    role.whenDecided = []
    for waiter in waiters { waiter(role) }
  }

  private func carryOut(_ directive: RoleLifecycle.Directive, _ role: ManagedRole) {
    switch directive {
    case .load: load(role)
    case .awaitNeeds: break  // startWaiting looks at all who wait, after every change
    case .start: openStore(of: role) { [self] in start(role) }
    case .drain: drain(role)
    case .stop: stop(role)
    case .retry(let milliseconds): retry(role, after: milliseconds)
    case .rested: rested(role)
    }
  }

  private func load(_ role: ManagedRole) {
    if let timer = role.retryTimer { control.cancelTimer(timer) }
    role.retryTimer = nil
    let (manifestRole, allow) = (role.plan, plan.manifest.plugins.allow)
    let reference = UncheckedReference(role)
    readKept(role) { [self] kept in
      loaderLoop.post { [self] in
        let result = Result { () throws(PluginRefusal) in try loadForStart(manifestRole, allow, kept) }
        tidyCopies()
        control.post { [self] in loaded(reference.value, kept, result) }
      }
    }
  }

  /// Checks the role's plan without changing the role; the configuration comes back whole.
  func check(
    _ role: ManagedRole, _ done: @escaping @Sendable (Result<String, PluginRefusal>) -> Void
  ) {
    let (manifestRole, allow) = (role.plan, plan.manifest.plugins.allow)
    loaderLoop.post { [self] in
      let result = Result { () throws(PluginRefusal) in
        try loader.check(manifestRole, allow: allow, PluginLoader.Wish()).config
      }
      control.post { done(result) }
    }
  }

  private func loaded(
    _ role: ManagedRole, _ kept: Kept, _ result: Result<(PluginLoader.Loaded, warning: String?), PluginRefusal>
  ) {
    role.history = kept.history
    switch result {
    case .success(let (loaded, warning)):
      if let warning { log(NH_LOG_WARNING, warning, role: role.name) }
      role.loaded = loaded
      role.savedState = kept.state.flatMap { $0.role == loaded.library.description.id ? $0 : nil }
      handle(.loaded, role)
    case .failure(let refusal):
      let reason = refusal.reason(for: role.plan)
      handle(refusal.isForGood ? .refused(reason) : .loadFailed(reason), role)
    }
  }

  /// Starts every loaded role whose needs are running; fails those whose needs never will be.
  func startWaiting() {
    for role in roles where role.state == .waiting {
      let needed =
        role.plan.needs.map { name in (name, roles.filter { $0.name == name }) }
        + role.neededIDs.map { id in (id, roles.filter { $0.provides(id) }) }
      if needed.allSatisfy({ $0.1.contains { $0.state == .running } }) {
        handle(.needsMet, role)
      } else if let missing = needed.first(where: { hopeless($0.1) }) {
        handle(.needFailed(missing.0), role)
      }
    }
  }

  private func hopeless(_ providers: [ManagedRole]) -> Bool {
    let mayCome = providers.contains { !$0.isSettled || $0.state == .running }
    // Who provides an id is known only once everybody has been loaded.
    return !mayCome && !roles.contains { $0.state == .loading }
  }

  /// A role that needs the store does not start with a damaged one. The check reads the whole file, so it has no limit
  /// of time.
  private func openStore(of role: ManagedRole, _ done: @escaping () -> Void) {
    guard role.loaded?.library.description.needs.contains(where: { $0.id == NH_STORE_ID }) == true,
      let store = services.stores.store(of: role.name)
    else { return done() }
    let references = UncheckedReference(role), done = UncheckedReference(Box(done))
    store.prepare { [self] failure in
      control.post { [self] in
        guard let failure else { return done.value.content() }
        handle(.startFailed(failure.message), references.value)
      }
    }
  }

  private func start(_ role: ManagedRole) {
    guard let loaded = role.loaded else { return handle(.startFailed("it was never loaded"), role) }
    role.generation = role.history.nextNumber
    let seat = RoleSeat(name: role.name, loop: homeLoop(), node: services, limits: role.plan.limits)
    let instance = RoleInstance(seat, library: loaded.library)
    role.instance = instance
    let (saved, mayColdStart) = (role.savedState, role.plan.coldStart)
    role.savedState = nil
    let reference = UncheckedReference(role), ticket = Ticket()
    limit(role, role.plan.limits.startMilliseconds) { [self] milliseconds in
      guard ticket.take() else { return overdue(role, "create or start has not returned after \(milliseconds) ms") }
      // It never came to that, so another attempt may do better on another loop.
      role.instance = nil
      let holder = roles.first { $0.overdue != nil && $0.instance?.loop === instance.loop }
      let name = holder.map { "`\($0.name)`" } ?? "another role"
      handle(.startFailed("its loop was held by \(name) for \(milliseconds) ms"), role)
    }
    instance.loop.post { [self] in
      guard ticket.take() else { return }
      let result = Result { () throws(RoleInstance.Failure) in
        try instance.create(config: loaded.config)
        if let saved { try instance.load(saved, mayColdStart: mayColdStart) }
        try instance.start()
        instance.takeSeat()
      }
      if case .failure = result { instance.end() }
      control.post { [self] in started(reference.value, instance, result) }
    }
  }

  /// In turn, but for loops that a role holds.
  func homeLoop() -> EventLoop {
    let held = roles.filter { $0.overdue != nil }.compactMap { $0.instance?.loop }
    let order = loops.indices.map { loops[(nextLoop + $0) % loops.count] }
    let home = order.first { loop in !held.contains { $0 === loop } } ?? order[0]
    nextLoop = home.index
    return home
  }

  private func started(
    _ role: ManagedRole, _ instance: RoleInstance, _ result: Result<Void, RoleInstance.Failure>
  ) {
    guard role.instance === instance else { return }
    unlimit(role)
    switch result {
    case .success:
      recordStart(role)
      handle(.started, role)
    case .failure(let failure):
      role.instance = nil
      handle(.startFailed(failure.message), role)
    }
  }

  private func drain(_ role: ManagedRole) {
    guard let instance = role.instance else { return handle(.drained, role) }
    let reference = UncheckedReference(role)
    limit(role, role.plan.limits.drainMilliseconds) { [self] milliseconds in
      log(NH_LOG_WARNING, "still has open calls after \(milliseconds) ms of draining; they are ended", role: role.name)
      handle(.drained, role)
    }
    instance.loop.post { [self] in
      instance.drain { [self] in
        control.post { [self] in
          if reference.value.instance === instance { handle(.drained, reference.value) }
        }
      }
    }
  }

  /// The role holds its loop, and all others there, until its own code returns; the node goes on without it.
  private func overdue(_ role: ManagedRole, _ reason: String) {
    role.overdue = reason
    log(NH_LOG_ERROR, reason, role: role.name)
    stateChanged(role)
  }

  /// Runs `late` unless the step ends before.
  private func limit(_ role: ManagedRole, _ milliseconds: Int, _ late: @escaping (Int) -> Void) {
    unlimit(role)
    role.stepTimer = DelayedWork.after(milliseconds: Int64(milliseconds), on: control) {
      role.stepTimer = nil
      late(milliseconds)
    }
  }

  private func unlimit(_ role: ManagedRole) {
    if let timer = role.stepTimer { control.cancelTimer(timer) }
    role.stepTimer = nil
    role.overdue = nil
  }

  private func stop(_ role: ManagedRole) {
    unlimit(role)
    guard let instance = role.instance else { return handle(.stopped, role) }
    let reference = UncheckedReference(role)
    limit(role, Self.stopLimitMilliseconds) { [self] in
      overdue(role, "a callback, stop or destroy has not returned after \($0) ms")
    }
    instance.loop.post { [self] in
      let state = instance.finalState()
      instance.end()
      control.post { [self] in
        guard reference.value.instance === instance else { return }
        recordEnd(reference.value, state)
        unlimit(reference.value)
        reference.value.instance = nil
        handle(.stopped, reference.value)
      }
    }
  }

  func faulted(_ instance: RoleInstance, _ reason: String) {
    guard let role = roles.first(where: { $0.instance === instance }) else { return }
    if let swap = role.swap, swap.machine.step == .probation {
      return handle(.failed(role.name, reason: "it gave up: \(reason)"), swap)
    }
    let milliseconds = (EventLoop.now() - role.runningSince) / 1_000_000
    handle(.faulted("it gave up: \(reason)", afterMilliseconds: milliseconds), role)
  }

  private func retry(_ role: ManagedRole, after milliseconds: Int64) {
    log(NH_LOG_INFO, "tries again in \(milliseconds) ms", role: role.name)
    role.retryTimer = DelayedWork.after(milliseconds: milliseconds, on: control) { [self] in
      role.retryTimer = nil
      handle(.retry, role)
    }
  }

  private func rested(_ role: ManagedRole) {
    if let timer = role.retryTimer { control.cancelTimer(timer) }
    role.retryTimer = nil
    if case .idle = role.state { role.loaded = nil }
    if role.isLeaving {
      archiveLoop.post { [services, name = role.name] in services.stores.close(name) }
      roles.removeAll { $0 === role }
      tellNames()
    }
  }

  func tellNames() { services.directory.setKnown(Set(roles.map(\.name))) }

  func tellIfReady() {
    guard !hasBeenReady, !isEnding, roles.allSatisfy(\.isSettled) else { return }
    hasBeenReady = true
    let running = roles.count { $0.state == .running }
    let milliseconds = (EventLoop.now() - started) / 1_000_000
    log(NH_LOG_INFO, "ready after \(milliseconds) ms: \(running) of \(roles.count) roles are running")
    services.http.becomeReady()
    whenReady?()
  }
}

/// Lets one of two threads go on.
private final class Ticket: Sendable {
  private let isTaken = Atomic<Bool>(false)
  func take() -> Bool { !isTaken.exchange(true, ordering: .acquiringAndReleasing) }
}
