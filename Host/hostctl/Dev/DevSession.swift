import CSystem
import Glibc
import HostCore
import NodeValues

/// A session of `hostctl dev`: one loop that waits for changes, builds, and lets the node swap.
///
/// The node writes its log to the same terminal by itself; the lines of hostctl itself begin with an arrow.
final class DevSession {
  /// Some editors write twice; a formatter that runs after a save is a change of its own.
  static let quietMilliseconds: Int64 = 20
  static let lookMilliseconds: Int64 = 200
  static let startLookMilliseconds: Int64 = 10
  /// A node that crashes sooner than this after its start would do so again.
  static let crashLoopNanoseconds: Int64 = 5_000_000_000
  /// A build's output beyond this is left out.
  static let outputLimit = 256 << 10

  var project: RoleProject
  let manifest: String
  let nodehost: String
  let watch: SourceWatch
  let signals: Int32
  var node: DevNode?
  /// How often somebody asked for the end.
  var interrupts = 0
  var isEnding: Bool { interrupts > 0 }
  /// What has changed and is not built yet, and when the first and the last of it came.
  var changed: Set<String> = []
  var firstChange: Int64 = 0
  var lastChange: Int64 = 0
  /// Builds that have taken over and may still give up.
  var onProbation: [Trial] = []
  var goodBuilds = GoodBuilds()

  /// A generation whose probation is watched.
  struct Trial {
    var role: String
    var generation: Int64
    var until: Int64
    var began: Int64
  }

  init(_ project: RoleProject, manifest: String, _ nodehost: String) throws(CommandFailure) {
    self.project = project
    self.manifest = manifest
    self.nodehost = nodehost
    watch = try SourceWatch(project.folder)
    let wanted = [SIGINT, SIGTERM, SIGHUP, SIGCHLD]
    signals = csystem_signalfd(wanted, Int32(wanted.count))
    guard signals >= 0 else { throw CommandFailure("cannot wait for signals", System.message(errno)) }
  }

  func run() {
    say("building \(project.folder): \(project.tool.command.joined(separator: " ")); the first time takes longest")
    firstChange = System.monotonic
    live(after: build([]))
    while !isEnding {
      wait(timeout())
      noticeEnd()
      look()
      guard !changed.isEmpty, System.monotonic - lastChange >= Self.quietMilliseconds * 1_000_000 else { continue }
      let changes = changed
      changed = []
      if changes == [manifest] { reload() } else { live(after: build(changes)) }
    }
    endNode()
  }

  // MARK: Waiting

  private func timeout() -> Int64 {
    if !changed.isEmpty {
      let quiet = (System.monotonic - lastChange) / 1_000_000
      return max(1, Self.quietMilliseconds - quiet)
    }
    return onProbation.isEmpty ? -1 : Self.lookMilliseconds
  }

  /// Waits for something to happen, for so long at most (-1: for ever); takes in signals and changes. `output` is a
  /// build's; true if there is something to read in it.
  @discardableResult
  func wait(_ milliseconds: Int64, output: Int32 = -1) -> Bool {
    var waited = [signals, watch.descriptor, output].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    poll(&waited, nfds_t(waited.count), Int32(clamping: milliseconds))
    while case let signal = csystem_next_signal(signals), signal != 0 {
      if signal == SIGCHLD { continue }
      // Asked twice, the node does not wait for its roles any more.
      if isEnding { node?.send(SIGTERM) }
      interrupts += 1
    }
    let changes = watch.changes()
    if !changes.isEmpty {
      lastChange = System.monotonic
      if changed.isEmpty { firstChange = lastChange }
      changed.formUnion(changes)
    }
    return waited[2].revents != 0
  }

  private func endNode() {
    guard let node else { return }
    node.send(SIGTERM)
    while !node.hasEnded() { wait(Self.lookMilliseconds) }
  }

  // MARK: Telling

  func say(_ text: String, _ colour: Style.Colour? = nil) {
    let arrow = Output.style.paint("==>", .bold)
    try? Output.write("\(arrow) \(Output.style.paint(TextLayout.harmless(text), colour))\n")
  }

  static func milliseconds(_ nanoseconds: Int64) -> String { "\(max(0, (nanoseconds + 500_000) / 1_000_000)) ms" }

  /// What the node runs, for messages about what it does not.
  func running() -> String {
    guard let roles = try? node?.ask(.roles).list("roles") else { return "nothing runs" }
    let names = roles.filter { $0.text("state") == "running" }.map {
      "\($0.text("name")) \($0.text("version")), generation \($0.text("generation"))"
    }
    return names.isEmpty ? "no role runs" : "\(names.joined(separator: "; ")), runs on"
  }
}
