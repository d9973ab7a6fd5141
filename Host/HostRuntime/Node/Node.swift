import CNodeABI
import CSystem
import Glibc
import HostCore
import NodeValues
import Synchronization

/// The node: brings the roles of a plan through their lives, on behalf of the manifest, the signals
/// and the control server.
///
/// It lives on the control loop, which is the main thread. No plugin code runs there, so the node
/// answers even when a role hangs: files are read and plugins opened on the loader's loop, and
/// callbacks come on the roles' loops.
package final class Node: @unchecked Sendable {
  package private(set) var plan: NodePlan
  package let services: NodeServices
  let control: EventLoop
  let startedWall = Timestamp.now()
  let started = EventLoop.now()
  private let loaderLoop = EventLoop(index: -1, name: "loader")
  private let loader: PluginLoader
  let loops: [EventLoop]
  private var threads: [LoopThread] = []

  var roles: [ManagedRole] = []
  private var nextLoop = 0
  private(set) var isEnding = false
  private var hasBeenReady = false
  /// Reads the manifest again; nil for a node without one.
  package var readPlan: (() -> Result<NodePlan, ManifestUnreadable>)?
  /// Told once, when every role is running or has failed for good.
  package var whenReady: (() -> Void)?
  /// Told once, when all roles have ended.
  package var whenEnded: (() -> Void)?

  package init(_ plan: NodePlan, control: EventLoop, log: LogHub, allowsOtherPlugins: Bool, executable: String) {
    self.plan = plan
    self.control = control
    services = NodeServices(nodeName: plan.name, nodeID: plan.id, log: log)
    loader = PluginLoader(
      folders: PluginFolders(plan.manifest.plugins.folders, allowsOtherPaths: allowsOtherPlugins),
      cache: PluginCache(folder: "\(plan.manifest.node.state)/plugins"), executable: executable)
    loops = (1...max(1, plan.loops)).map { EventLoop(index: $0, name: "loop-\($0)") }
  }

  package func start() {
    services.onFault.withLock { onFault in
      onFault = { [self] role, status, message in
        control.post { [self] in faulted(role, "\(StatusCode.words(status)): \(message)") }
      }
    }
    threads = ([loaderLoop] + loops).map { $0.startThread() }
    roles = plan.manifest.roles.map(ManagedRole.init)
    tellNames()
    for entry in roles { handle(.begin, entry) }
    tellIfReady()
  }

  func log(_ level: UInt32, _ message: String, role: String = "") {
    services.log.write(level, role: role, message)
  }

  func role(_ name: String) -> ManagedRole? { roles.first { $0.name == name } }

  // MARK: Lifecycles

  func handle(_ event: RoleLifecycle.Event, _ entry: ManagedRole) {
    let before = entry.state
    let directives = entry.lifecycle.handle(event, random: UInt64.random(in: 0...UInt64.max))
    report(entry, before)
    for directive in directives { carryOut(directive, entry) }
    if entry.state != before { stateChanged(entry) }
  }

  private func report(_ entry: ManagedRole, _ before: RoleLifecycle.State) {
    guard entry.state != before else { return }
    switch entry.state {
    case .failed(let reason, _): log(NH_LOG_ERROR, reason, role: entry.name)
    case .running:
      entry.runningSince = EventLoop.now()
      let version = entry.loaded?.library.description.version ?? ""
      log(NH_LOG_INFO, "running (\(entry.plan.role) \(version), generation \(entry.generation))", role: entry.name)
    default: log(NH_LOG_DEBUG, entry.state.name, role: entry.name)
    }
  }

  private func stateChanged(_ entry: ManagedRole) {
    startWaiting()
    if entry.state.isSettled {
      let waiters = entry.whenSettled
      entry.whenSettled = []
      for waiter in waiters { waiter(entry) }
    }
    tellIfReady()
    if isEnding { endNext() }
  }

  private func carryOut(_ directive: RoleLifecycle.Directive, _ entry: ManagedRole) {
    switch directive {
    case .load: load(entry)
    case .awaitNeeds: break  // startWaiting looks at all who wait, after every change
    case .start: start(entry)
    case .drain: drain(entry)
    case .stop: stop(entry)
    case .retry(let milliseconds): retry(entry, after: milliseconds)
    case .rested: rested(entry)
    }
  }

  private func load(_ entry: ManagedRole) {
    if let timer = entry.retryTimer { control.cancelTimer(timer) }
    entry.retryTimer = nil
    let (role, allow) = (entry.plan, plan.manifest.plugins.allow)
    let reference = UncheckedReference(entry)
    loaderLoop.post { [self] in
      let result = Result { () throws(PluginRefusal) in try loader.load(role, allow: allow) }
      control.post { [self] in loaded(reference.value, result) }
    }
  }

  /// Checks the role's plan without changing the role; the configuration comes back whole.
  func check(
    _ entry: ManagedRole, _ done: @escaping @Sendable (Result<String, PluginRefusal>) -> Void
  ) {
    let (role, allow) = (entry.plan, plan.manifest.plugins.allow)
    loaderLoop.post { [self] in
      let result = Result { () throws(PluginRefusal) in try loader.check(role, allow: allow).config }
      control.post { done(result) }
    }
  }

  private func loaded(_ entry: ManagedRole, _ result: Result<PluginLoader.Loaded, PluginRefusal>) {
    switch result {
    case .success(let loaded):
      entry.loaded = loaded
      handle(.loaded, entry)
    case .failure(let refusal):
      let reason = refusal.reason(for: entry.plan)
      handle(refusal.isForGood ? .refused(reason) : .loadFailed(reason), entry)
    }
  }

  /// Starts every loaded role whose needs are running; fails those whose needs never will be.
  private func startWaiting() {
    for entry in roles where entry.state == .waiting {
      let needed =
        entry.plan.needs.map { name in (name, roles.filter { $0.name == name }) }
        + entry.neededIDs.map { id in (id, roles.filter { $0.provides(id) }) }
      if needed.allSatisfy({ $0.1.contains { $0.state == .running } }) {
        handle(.needsMet, entry)
      } else if let missing = needed.first(where: { hopeless($0.1) }) {
        handle(.needFailed(missing.0), entry)
      }
    }
  }

  private func hopeless(_ providers: [ManagedRole]) -> Bool {
    let mayCome = providers.contains { !$0.state.isSettled || $0.state == .running }
    // Who provides an id is known only once everybody has been loaded.
    return !mayCome && !roles.contains { $0.state == .loading }
  }

  private func start(_ entry: ManagedRole) {
    guard let loaded = entry.loaded else { return handle(.startFailed("it was never loaded"), entry) }
    entry.generation += 1
    let instance = RoleInstance(
      name: entry.name, library: loaded.library, loop: loops[nextLoop % loops.count], node: services,
      limits: entry.plan.limits)
    nextLoop += 1
    entry.instance = instance
    let reference = UncheckedReference(entry)
    limit(entry, entry.plan.limits.startMilliseconds) { [self] milliseconds in
      // It cannot be interrupted: only its own code could say where.
      log(NH_LOG_ERROR, "create or start has not returned after \(milliseconds) ms", role: entry.name)
    }
    instance.loop.post { [self] in
      let result = Result { () throws(RoleInstance.Failure) in
        try instance.create(config: loaded.config)
        try instance.start()
      }
      if case .failure = result { instance.end() }
      control.post { [self] in started(reference.value, instance, result) }
    }
  }

  private func started(
    _ entry: ManagedRole, _ instance: RoleInstance, _ result: Result<Void, RoleInstance.Failure>
  ) {
    guard entry.instance === instance else { return }
    unlimit(entry)
    switch result {
    case .success: handle(.started, entry)
    case .failure(let failure):
      entry.instance = nil
      handle(.startFailed(failure.message), entry)
    }
  }

  private func drain(_ entry: ManagedRole) {
    guard let instance = entry.instance else { return handle(.drained, entry) }
    let reference = UncheckedReference(entry)
    limit(entry, entry.plan.limits.drainMilliseconds) { [self] milliseconds in
      log(NH_LOG_WARNING, "still has open calls after \(milliseconds) ms of draining; they are ended", role: entry.name)
      handle(.drained, entry)
    }
    instance.loop.post { [self] in
      instance.drain { [self] in
        control.post { [self] in
          if reference.value.instance === instance { handle(.drained, reference.value) }
        }
      }
    }
  }

  /// Runs `late` unless the step ends before.
  private func limit(_ entry: ManagedRole, _ milliseconds: Int, _ late: @escaping (Int) -> Void) {
    unlimit(entry)
    entry.stepTimer = DelayedWork.after(milliseconds: Int64(milliseconds), on: control) {
      entry.stepTimer = nil
      late(milliseconds)
    }
  }

  private func unlimit(_ entry: ManagedRole) {
    if let timer = entry.stepTimer { control.cancelTimer(timer) }
    entry.stepTimer = nil
  }

  private func stop(_ entry: ManagedRole) {
    unlimit(entry)
    guard let instance = entry.instance else { return handle(.stopped, entry) }
    let reference = UncheckedReference(entry)
    instance.loop.post { [self] in
      instance.end()
      control.post { [self] in
        guard reference.value.instance === instance else { return }
        reference.value.instance = nil
        handle(.stopped, reference.value)
      }
    }
  }

  private func faulted(_ instance: RoleInstance, _ reason: String) {
    guard let entry = roles.first(where: { $0.instance === instance }) else { return }
    let milliseconds = (EventLoop.now() - entry.runningSince) / 1_000_000
    handle(.faulted("it gave up: \(reason)", afterMilliseconds: milliseconds), entry)
  }

  private func retry(_ entry: ManagedRole, after milliseconds: Int64) {
    log(NH_LOG_INFO, "tries again in \(milliseconds) ms", role: entry.name)
    entry.retryTimer = DelayedWork.after(milliseconds: milliseconds, on: control) { [self] in
      entry.retryTimer = nil
      handle(.retry, entry)
    }
  }

  private func rested(_ entry: ManagedRole) {
    if let timer = entry.retryTimer { control.cancelTimer(timer) }
    entry.retryTimer = nil
    if case .idle = entry.state { entry.loaded = nil }
    if entry.isLeaving {
      roles.removeAll { $0 === entry }
      tellNames()
    }
  }

  private func tellNames() { services.directory.setKnown(Set(roles.map(\.name))) }

  private func tellIfReady() {
    guard !hasBeenReady, !isEnding, roles.allSatisfy({ $0.state.isSettled }) else { return }
    hasBeenReady = true
    let running = roles.count { $0.state == .running }
    let milliseconds = (EventLoop.now() - started) / 1_000_000
    log(NH_LOG_INFO, "ready after \(milliseconds) ms: \(running) of \(roles.count) roles are running")
    whenReady?()
  }

  // MARK: Changes at run time

  func add(_ plan: ManifestRole) -> ManagedRole {
    let entry = ManagedRole(plan)
    roles.append(entry)
    tellNames()
    return entry
  }

  func begin(_ entry: ManagedRole) { handle(.begin, entry) }

  func restart(_ entry: ManagedRole) {
    if case .idle = entry.state { return handle(.begin, entry) }
    handle(.end(again: true), entry)
  }

  func remove(_ entry: ManagedRole) {
    entry.isLeaving = true
    handle(.end(again: false), entry)
  }

  /// Takes over what may change while the process runs.
  func adopt(_ new: NodePlan) {
    plan.manifest.roles = new.manifest.roles
    plan.manifest.plugins.allow = new.manifest.plugins.allow
    plan.manifest.log = new.manifest.log
    plan.allowsChanges = new.allowsChanges
  }

  /// Runs on the role's loop and answers on the control loop; nil if there is no instance.
  func ask<Answer: Sendable>(
    _ entry: ManagedRole, _ question: @escaping @Sendable (RoleInstance) -> Answer,
    _ answer: @escaping @Sendable (Answer?) -> Void
  ) {
    guard let instance = entry.instance else { return answer(nil) }
    instance.loop.post { [self] in
      let found = question(instance)
      control.post { answer(found) }
    }
  }

  // MARK: The end

  /// Ends all roles, those that others need last.
  package func end() {
    guard !isEnding else { return }
    isEnding = true
    log(NH_LOG_INFO, "draining")
    endNext()
  }

  private func endNext() {
    let open = roles.filter { !isAtRest($0) }
    guard !open.isEmpty else { return ended() }
    // Roles that need each other in a circle, by provided ids, all end at once.
    let free = open.filter { entry in !open.contains { needs($0, entry) } }
    for entry in free.isEmpty ? open : free {
      switch entry.state {
      case .draining, .stopping: break
      default: handle(.end(again: false), entry)
      }
    }
  }

  private func isAtRest(_ entry: ManagedRole) -> Bool {
    switch entry.state {
    case .idle: true
    case .failed: entry.retryTimer == nil
    default: false
    }
  }

  func needs(_ entry: ManagedRole, _ other: ManagedRole) -> Bool {
    entry !== other
      && (entry.plan.needs.contains(other.name) || entry.neededIDs.contains { id in other.provides(id) })
  }

  private func ended() {
    guard let whenEnded else { return }
    self.whenEnded = nil
    // It holds on to the node, which holds on to the services.
    services.onFault.withLock { $0 = nil }
    for loop in loops + [loaderLoop] { loop.stop() }
    for thread in threads { thread.join() }
    log(NH_LOG_INFO, "ended")
    whenEnded()
  }
}

/// A manifest that was read again and has errors.
package struct ManifestUnreadable: Error, Sendable {
  package var text: String
  package init(_ text: String) { self.text = text }
}

/// Carries a reference that belongs to one loop through another and back.
struct UncheckedReference<Value: AnyObject>: @unchecked Sendable {
  let value: Value
  init(_ value: Value) { self.value = value }
}
