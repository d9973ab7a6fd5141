import CNodeABI
import Glibc
package import HostCore
import NodeValues
import Synchronization

/// What the node tells of itself and its roles.
extension Node {
  /// How long a role may take to say how it is before that itself is the answer.
  private static let healthLimitMilliseconds: Int64 = 1000

  /// Each role's health, asked on its own loop, or the reason why there is none. The control loop.
  func gatherHealth(of wanted: [ManagedRole], _ done: @escaping ([HealthReport.Entry]) -> Void) {
    let gathering = HealthGathering(wanted.map(\.name), done)
    let timer = DelayedWork.after(milliseconds: Self.healthLimitMilliseconds, on: control) { gathering.giveUp() }
    gathering.whenWhole = { [control] in if let timer { control.cancelTimer(timer) } }
    for role in wanted {
      if let known = Self.healthWithoutAsking(role) {
        gathering.put(known)
      } else {
        let name = role.name
        let reference = UncheckedReference(gathering)
        ask(role, { $0.health() }) { health in
          reference.value.put(health ?? .init(name: name, health: .failed, reason: "has just ended"))
        }
      }
    }
    if wanted.isEmpty { gathering.giveUp() }
  }

  private static func healthWithoutAsking(_ role: ManagedRole) -> HealthReport.Entry? {
    switch role.state {
    case .running: nil
    case .failed(let reason, let retries):
      .init(name: role.name, health: .failed, reason: retries ? "\(reason) (will be tried again)" : reason)
    case .idle: .init(name: role.name, health: .failed, reason: "is stopped")
    case _ where role.overdue != nil: .init(name: role.name, health: .failed, reason: role.overdue!)
    default: .init(name: role.name, health: .degraded, reason: "is \(role.state.name)")
    }
  }

  func report(_ role: ManagedRole, _ health: HealthReport.Entry) -> RoleEntry {
    let library = role.loaded?.library
    let isRunning = role.state == .running
    return RoleEntry(
      name: role.name, role: role.plan.role, plugin: role.plan.plugin, version: library?.description.version ?? "",
      language: library?.file.note.languageName ?? "", state: role.state.name, health: health.health.rawValue,
      reason: health.reason, uptimeMilliseconds: isRunning ? (EventLoop.now() - role.runningSince) / 1_000_000 : 0,
      generation: Int64(role.generation), loop: role.instance?.loop.index ?? 0, restarts: role.lifecycle.restarts)
  }

  func describe(_ role: ManagedRole, _ health: HealthReport.Entry) -> RoleDescription {
    var description = RoleDescription(report(role, health))
    if let library = role.loaded?.library { Self.fill(&description, library.description, library.file) }
    return description
  }

  /// Everything about a plugin that does not depend on a running role.
  package static func fill(_ description: inout RoleDescription, _ plugin: PluginDescription, _ file: PluginFile) {
    description.description = plugin.summary
    description.file = file.path
    description.sha256 = file.sha256
    description.abiMajor = Int64(file.note.abiMajor)
    description.abiRevisionLeast = Int64(file.note.revisionLeast)
    description.abiRevisionBuilt = Int64(file.note.revisionBuilt)
    description.configSchema = plugin.schema
    description.methods = plugin.methods.map { .init($0.shape, doc: $0.doc, idempotent: $0.isIdempotent) }
    description.needs = plugin.needs.map { need in
      let offered = HostTables.offered[need.id] != nil || !need.id.hasPrefix("nodehost.")
      return .init(id: need.id, required: need.isRequired, offered: offered)
    }
    description.provides = plugin.provides
    description.topics = plugin.topics.map { Named($0.name, $0.doc) }
    description.stateVersion = Int64(plugin.stateVersion)
    description.mayUnload = file.note.mayUnload
    description.simulatable = !plugin.needs.contains { $0.id == NH_FD_ID && $0.isRequired }
  }

  func reportStatus(_ health: HealthReport) -> NodeStatus {
    var status = NodeStatus()
    status.id = Int64(plan.id)
    status.name = plan.name
    status.address = plan.address
    status.instance = Int64(plan.manifest.node.instance)
    status.stateFolder = plan.manifest.node.state
    status.pid = getpid()
    status.startedMilliseconds = startedWall / 1_000_000
    status.uptimeMilliseconds = (EventLoop.now() - started) / 1_000_000
    status.manifest = plan.path
    status.state = isEnding ? "draining" : roles.allSatisfy(\.isSettled) ? "running" : "starting"
    status.health = health.health.rawValue
    status.memoryBytes = UInt64(residentBytes())
    status.loops = loops.map { loop in
      .init(
        index: loop.index, roles: roles.count { $0.instance?.loop === loop }, callbacks: UInt64(loop.callbacks))
    }
    status.rolesTotal = roles.count
    status.rolesRunning = roles.count { $0.state == .running }
    status.rolesFailed = roles.count { $0.trouble != nil }
    status.notes = plan.manifest.withoutEffect + roles.compactMap(note)
    return status
  }

  /// What an operator should know without asking for it.
  private func note(_ role: ManagedRole) -> String? {
    if let misuses = role.instance?.misuses.load(ordering: .relaxed), misuses > 0 {
      return "\(role.name): its plugin broke the ABI's contract \(misuses) times; see `hostctl logs --level misuse`"
    }
    return role.trouble.map { "\(role.name): \($0)" }
  }
}

extension PluginDescription.Method {
  var shape: MethodShape { MethodShape(name: name, signature: signature, parameterNames: parameters) }
}

/// Answers that are still coming, with an end to the waiting. The control loop's.
private final class HealthGathering {
  private let names: [String]
  private var found: [String: HealthReport.Entry] = [:]
  private var done: (([HealthReport.Entry]) -> Void)?
  var whenWhole: (() -> Void)?

  init(_ names: [String], _ done: @escaping ([HealthReport.Entry]) -> Void) {
    self.names = names
    self.done = done
  }

  func put(_ entry: HealthReport.Entry) {
    guard let done, found[entry.name] == nil else { return }
    found[entry.name] = entry
    guard found.count == names.count else { return }
    finish(done)
  }

  private func finish(_ done: ([HealthReport.Entry]) -> Void) {
    self.done = nil
    whenWhole?()
    done(names.compactMap { found[$0] })
  }

  func giveUp() {
    guard let done else { return }
    for name in names where found[name] == nil {
      let reason = "its loop does not answer: a callback is still running"
      found[name] = .init(name: name, health: .failed, reason: reason)
    }
    finish(done)
  }
}

/// Memory that this process holds at the moment.
package func residentBytes() -> Int {
  guard let text = readFile("/proc/self/statm", limit: 256) else { return 0 }
  let pages = String(decoding: text, as: UTF8.self).split(separator: " ").dropFirst().first.flatMap { Int($0) }
  return (pages ?? 0) * Int(sysconf(Int32(_SC_PAGESIZE)))
}
