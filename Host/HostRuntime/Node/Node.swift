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
  let loaderLoop: EventLoop
  /// Writes what roles leave behind, one after the other.
  let archiveLoop: EventLoop
  /// The links to other nodes live here; runs only if there may be any.
  package let peersLoop: EventLoop
  var links: (any PeerLinks)?
  /// Control over TCP, if the manifest wants it.
  var remoteControl: RemoteControl?
  /// Started with --dev: tests may cut its links.
  let isDevelopment: Bool
  let loader: any RoleLoader
  let machine: any Machine
  let stateFolder: String
  let loops: [EventLoop]
  private var threads: [(loop: EventLoop, thread: OwnThread)] = []

  var roles: [ManagedRole] = []
  var nextLoop = 0
  /// There as long as roles may be swapped.
  var watcher: PluginWatcher?
  private(set) var isEnding = false
  /// How long stop and destroy may take together before the node ends without them.
  static let stopLimitMilliseconds = 2_000
  /// Whether roles that never returned were left behind at the end, with their threads.
  package private(set) var hasAbandonedRoles = false
  var hasBeenReady = false
  /// Reads the manifest again; nil for a node without one.
  package var readPlan: (() -> Result<NodePlan, ManifestUnreadable>)?
  /// Told once, when every role is running or has failed for good.
  package var whenReady: (() -> Void)?
  /// Told once, when all roles have ended.
  package var whenEnded: (() -> Void)?

  package init(
    _ plan: NodePlan, control: EventLoop, log: LogHub, allowsOtherPlugins: Bool, executable: String,
    machine: any Machine = RealMachine()
  ) {
    self.plan = plan
    self.machine = machine
    self.control = control
    isDevelopment = allowsOtherPlugins
    stateFolder = plan.manifest.node.state
    services = NodeServices(
      nodeName: plan.name, nodeID: plan.id, address: plan.address, log: log, state: stateFolder,
      blobs: plan.manifest.blobs, client: plan.manifest.client, machine: machine)
    loader = machine.makeLoader(plan, allowsOtherPaths: allowsOtherPlugins, executable: executable)
    loops = (1...max(1, plan.loops)).map { machine.makeLoop($0, "loop-\($0)") }
    loaderLoop = machine.makeLoop(-1, "loader")
    archiveLoop = machine.makeLoop(-3, "archive")
    peersLoop = plan.manifest.cluster.hasOwnLoop ? machine.makeLoop(-4, "peers") : loops[0]
  }

  /// Takes the ports of the manifest. Before `start`; without it nobody can reach the node's roles by HTTP.
  package func openListeners() throws(NetworkFailure) {
    try services.http.open(plan.manifest.listeners, loops: loops, services: services)
    // What is wrong with these files is said now and not at the first request.
    if plan.manifest.client != ClientSettings() { _ = try services.clients.tls() }
  }

  package func start() {
    services.onFault.withLock { onFault in
      onFault = { [self] role, status, message in
        control.post { [self] in faulted(role, "\(StatusCode.words(status)): \(message)") }
      }
    }
    let hasLinksLoop = links != nil && peersLoop !== loops[0]
    threads = (loops + [loaderLoop, archiveLoop] + (hasLinksLoop ? [peersLoop] : [])).compactMap { loop in
      machine.startThread(of: loop).map { (loop, $0) }
    }
    for listener in services.http.all where listener.servesStatus { NodeStatusTarget.add(to: listener, of: self) }
    for listener in services.http.all {
      RpcHealth.add(to: listener, of: self)
      RpcReflection.add(to: listener, services)
    }
    services.http.start()
    roles = plan.manifest.roles.map(ManagedRole.init)
    tellNames()
    removeOldCopies()
    for role in roles { handle(.begin, role) }
    watchPlugins()
    tellIfReady()
  }

  func log(_ level: UInt32, _ message: String, role: String = "") {
    services.log.write(level, role: role, message)
  }

  func role(_ name: String) -> ManagedRole? { roles.first { $0.name == name } }

  // MARK: Changes at run time

  func add(_ plan: ManifestRole) -> ManagedRole {
    let role = ManagedRole(plan)
    roles.append(role)
    tellNames()
    return role
  }

  func begin(_ role: ManagedRole) { handle(.begin, role) }

  func restart(_ role: ManagedRole) {
    if case .idle = role.state { return handle(.begin, role) }
    handle(.end(again: true), role)
  }

  func remove(_ role: ManagedRole) {
    role.isLeaving = true
    handle(.end(again: false), role)
  }

  /// Takes over what may change while the process runs.
  func adopt(_ new: NodePlan) {
    plan.manifest.roles = new.manifest.roles
    let token = plan.manifest.control.remote?.token
    adopt(new, into: &plan.manifest)
    if token != plan.manifest.control.remote?.token { remoteControl?.tokenChanged() }
    plan.allowsChanges = new.allowsChanges
    adoptPeers(plan.manifest.cluster.peers)
    watchPlugins()
  }

  /// What may change beside the roles.
  func adopt(_ new: NodePlan, into manifest: inout Manifest) {
    manifest.plugins.allow = new.manifest.plugins.allow
    manifest.plugins.hotSwap = new.manifest.plugins.hotSwap
    manifest.log = new.manifest.log
    if let token = new.manifest.control.remote?.token { manifest.control.remote?.token = token }
    if links != nil { manifest.cluster.peers = new.manifest.cluster.peers }
  }

  /// A role whose new plan was refused is still the one that it was.
  func keepInManifest(_ role: ManifestRole) {
    guard let index = plan.manifest.roles.firstIndex(where: { $0.name == role.name }) else { return }
    plan.manifest.roles[index] = role
  }

  /// Runs on the role's loop and answers on the control loop; nil if there is no instance.
  func ask<Answer: Sendable>(
    _ role: ManagedRole, _ question: @escaping @Sendable (RoleInstance) -> Answer,
    _ answer: @escaping @Sendable (Answer?) -> Void
  ) {
    guard let instance = role.instance else { return answer(nil) }
    instance.loop.post { [self] in
      let found = question(instance)
      control.post { answer(found) }
    }
  }

  // MARK: Simulated worlds

  /// What is wrong with the roles, if one is not running.
  package var trouble: String? {
    roles.first { $0.state != .running }.map { "`\($0.name)` is \($0.state.name)\($0.trouble.map { ": \($0)" } ?? "")" }
  }

  /// Told of all that roles publish, with the role's name and the topic.
  package func observeEvents(_ observer: @escaping @Sendable (String, String, [UInt8]) -> Void) {
    services.bus.observer.withLock { $0 = { observer($0.source, $0.topic, $0.payload) } }
  }

  /// The process is gone from one moment to the next.
  package func vanish() {
    services.onFault.withLock { $0 = nil }
    services.bus.observer.withLock { $0 = nil }
    services.log.follow(nil)
    readPlan = nil
    whenReady = nil
    whenEnded = nil
    for role in roles {
      for member in role.swap?.members ?? [] where member.instance !== role.instance { member.instance?.vanish() }
      if let old = role.swap?.members.first(where: { $0.role === role })?.oldInstance, old !== role.instance {
        old.vanish()
      }
      role.instance?.vanish()
      role.instance = nil
      role.swap = nil
    }
    roles = []
    links = nil
    services.http.vanish()
    services.clients.vanish()
  }

  // MARK: The end

  /// Ends all roles, those that others need last.
  package func end() {
    guard !isEnding else { return }
    isEnding = true
    watchPlugins()
    log(NH_LOG_INFO, "draining")
    services.http.drain()
    endNext()
  }

  func endNext() {
    let open = roles.filter { !isAtRest($0) }
    guard !open.isEmpty else { return ended() }
    // Roles that need each other in a circle, by provided ids, all end at once.
    let free = open.filter { role in !open.contains { needs($0, role) } }
    for role in free.isEmpty ? open : free {
      switch role.state {
      case .draining, .stopping: break
      default: handle(.end(again: false), role)
      }
    }
  }

  private func isAtRest(_ role: ManagedRole) -> Bool {
    switch role.state {
    case .idle: true
    case .failed: role.retryTimer == nil
    case .starting, .stopping: role.overdue != nil
    default: false
    }
  }

  func needs(_ role: ManagedRole, _ other: ManagedRole) -> Bool {
    role !== other
      && (role.plan.needs.contains(other.name) || role.neededIDs.contains { id in other.provides(id) })
  }

  private func ended() {
    guard let whenEnded else { return }
    self.whenEnded = nil
    // It holds on to the node, which holds on to the services.
    services.onFault.withLock { $0 = nil }
    let stuck = roles.filter { $0.overdue != nil }
    hasAbandonedRoles = !stuck.isEmpty
    // A job that does not end would hold the end up; its role is stuck then. What jobs have answered still comes.
    if stuck.isEmpty { services.work.end() }
    services.stores.end()
    // What was let go of when the roles ended is synced here.
    services.blobs.pool.end()
    services.http.cutShort()
    services.clients.close()
    closePeers()
    for (loop, _) in threads { loop.stop() }
    for (loop, thread) in threads where !stuck.contains(where: { $0.instance?.loop === loop }) { thread.join() }
    services.http.endLogs()
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

/// Carries a reference that belongs to one loop through another and back.
struct UncheckedReference<Value>: @unchecked Sendable {
  let value: Value
  init(_ value: Value) { self.value = value }
}
