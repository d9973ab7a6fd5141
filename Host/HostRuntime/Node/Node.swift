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
  let loaderLoop = EventLoop(index: -1, name: "loader")
  /// Writes what roles leave behind, one after the other.
  let archiveLoop = EventLoop(index: -3, name: "archive")
  let loader: PluginLoader
  let loops: [EventLoop]
  private var threads: [(loop: EventLoop, thread: LoopThread)] = []

  var roles: [ManagedRole] = []
  private var nextLoop = 0
  /// There as long as roles may be swapped.
  var watcher: PluginWatcher?
  private(set) var isEnding = false
  /// How long stop and destroy may take together before the node ends without them.
  static let stopLimitMilliseconds = 2_000
  /// Whether roles that never returned were left behind at the end, with their threads.
  package private(set) var hasAbandonedRoles = false
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
      cache: plan.cache, executable: executable)
    loops = (1...max(1, plan.loops)).map { EventLoop(index: $0, name: "loop-\($0)") }
  }

  package func start() {
    services.onFault.withLock { onFault in
      onFault = { [self] role, status, message in
        control.post { [self] in faulted(role, "\(StatusCode.words(status)): \(message)") }
      }
    }
    threads = (loops + [loaderLoop, archiveLoop]).map { ($0, $0.startThread()) }
    roles = plan.manifest.roles.map(ManagedRole.init)
    tellNames()
    for entry in roles { handle(.begin, entry) }
    watchPlugins()
    tellIfReady()
  }

  func log(_ level: UInt32, _ message: String, role: String = "") {
    services.log.write(level, role: role, message)
  }

  func role(_ name: String) -> ManagedRole? { roles.first { $0.name == name } }

  // MARK: Lifecycles

  func handle(_ event: RoleLifecycle.Event, _ entry: ManagedRole) {
    // A swap knows only roles that run.
    switch event {
    case .end, .faulted: if let swap = entry.swap { handle(.interrupted, swap) }
    default: break
    }
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
    tellIfDecided(entry)
    tellIfReady()
    if isEnding { endNext() }
  }

  private func tellIfDecided(_ entry: ManagedRole) {
    guard entry.isDecided else { return }
    let waiters = entry.whenDecided
    entry.whenDecided = []
    for waiter in waiters { waiter(entry) }
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
    readKept(entry) { [self] kept in
      loaderLoop.post { [self] in
        let result = Result { () throws(PluginRefusal) in try loadForStart(role, allow, kept.history) }
        control.post { [self] in loaded(reference.value, kept, result) }
      }
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

  private func loaded(
    _ entry: ManagedRole, _ kept: Kept, _ result: Result<(PluginLoader.Loaded, warning: String?), PluginRefusal>
  ) {
    entry.history = kept.history
    entry.history.endAll()
    switch result {
    case .success(let (loaded, warning)):
      if let warning { log(NH_LOG_WARNING, warning, role: entry.name) }
      entry.loaded = loaded
      entry.savedState = kept.state.flatMap { $0.role == loaded.library.description.id ? $0 : nil }
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
    let mayCome = providers.contains { !$0.isSettled || $0.state == .running }
    // Who provides an id is known only once everybody has been loaded.
    return !mayCome && !roles.contains { $0.state == .loading }
  }

  private func start(_ entry: ManagedRole) {
    guard let loaded = entry.loaded else { return handle(.startFailed("it was never loaded"), entry) }
    entry.generation = entry.history.nextNumber
    let seat = RoleSeat(name: entry.name, loop: homeLoop(), node: services, limits: entry.plan.limits)
    let instance = RoleInstance(seat, library: loaded.library)
    entry.instance = instance
    let (saved, mayColdStart) = (entry.savedState, entry.plan.coldStart)
    entry.savedState = nil
    let reference = UncheckedReference(entry), ticket = Ticket()
    limit(entry, entry.plan.limits.startMilliseconds) { [self] milliseconds in
      guard ticket.take() else { return overdue(entry, "create or start has not returned after \(milliseconds) ms") }
      // It never came to that, so another attempt may do better on another loop.
      entry.instance = nil
      let holder = roles.first { $0.overdue != nil && $0.instance?.loop === instance.loop }
      let name = holder.map { "`\($0.name)`" } ?? "another role"
      handle(.startFailed("its loop was held by \(name) for \(milliseconds) ms"), entry)
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
  private func homeLoop() -> EventLoop {
    let held = roles.filter { $0.overdue != nil }.compactMap { $0.instance?.loop }
    let order = loops.indices.map { loops[(nextLoop + $0) % loops.count] }
    let home = order.first { loop in !held.contains { $0 === loop } } ?? order[0]
    nextLoop = home.index
    return home
  }

  private func started(
    _ entry: ManagedRole, _ instance: RoleInstance, _ result: Result<Void, RoleInstance.Failure>
  ) {
    guard entry.instance === instance else { return }
    unlimit(entry)
    switch result {
    case .success:
      recordStart(entry)
      handle(.started, entry)
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

  /// The role holds its loop, and all others there, until its own code returns; the node goes on without it.
  private func overdue(_ entry: ManagedRole, _ reason: String) {
    entry.overdue = reason
    log(NH_LOG_ERROR, reason, role: entry.name)
    stateChanged(entry)
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
    entry.overdue = nil
  }

  private func stop(_ entry: ManagedRole) {
    unlimit(entry)
    guard let instance = entry.instance else { return handle(.stopped, entry) }
    let reference = UncheckedReference(entry)
    limit(entry, Self.stopLimitMilliseconds) { [self] in
      overdue(entry, "a callback, stop or destroy has not returned after \($0) ms")
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

  private func faulted(_ instance: RoleInstance, _ reason: String) {
    guard let entry = roles.first(where: { $0.instance === instance }) else { return }
    if let swap = entry.swap, swap.machine.step == .probation {
      return handle(.failed(entry.name, reason: "it gave up: \(reason)"), swap)
    }
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
    guard !hasBeenReady, !isEnding, roles.allSatisfy(\.isSettled) else { return }
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
    adopt(new, into: &plan.manifest)
    plan.allowsChanges = new.allowsChanges
    watchPlugins()
  }

  /// What may change beside the roles.
  func adopt(_ new: NodePlan, into manifest: inout Manifest) {
    manifest.plugins.allow = new.manifest.plugins.allow
    manifest.plugins.hotSwap = new.manifest.plugins.hotSwap
    manifest.log = new.manifest.log
  }

  /// A role whose new plan was refused is still the one that it was.
  func keepInManifest(_ role: ManifestRole) {
    guard let index = plan.manifest.roles.firstIndex(where: { $0.name == role.name }) else { return }
    plan.manifest.roles[index] = role
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
    watchPlugins()
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
    case .starting, .stopping: entry.overdue != nil
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
    let stuck = roles.filter { $0.overdue != nil }
    hasAbandonedRoles = !stuck.isEmpty
    for (loop, _) in threads { loop.stop() }
    for (loop, thread) in threads where !stuck.contains(where: { $0.instance?.loop === loop }) { thread.join() }
    let names = stuck.map(\.name).joined(separator: ", ")
    if hasAbandonedRoles { log(NH_LOG_ERROR, "ended without waiting any longer for \(names)") }
    if !hasAbandonedRoles { log(NH_LOG_INFO, "ended") }
    whenEnded()
  }
}

/// A manifest that was read again and has errors.
package struct ManifestUnreadable: Error, Sendable {
  /// For whoever started the node, with the lines in question.
  package var text: String
  /// For the log and for hostctl, one for each error: lines of a manifest may hold secrets.
  package var sentences: [String]

  package init(_ text: String, sentences: [String]) {
    self.text = text
    self.sentences = sentences
  }
}

/// Lets one of two threads go on.
private final class Ticket: Sendable {
  private let isTaken = Atomic<Bool>(false)
  func take() -> Bool { !isTaken.exchange(true, ordering: .acquiringAndReleasing) }
}

/// Carries a reference that belongs to one loop through another and back.
struct UncheckedReference<Value: AnyObject>: @unchecked Sendable {
  let value: Value
  init(_ value: Value) { self.value = value }
}
