import Glibc
import HostCore
import HostRuntime

/// Opening the library, and what that does to the process.
enum OpenCases {
  /// A quarter of what a node waits for; a busy machine takes the rest.
  static let openLimitMilliseconds: Int64 = 500
  /// A thread that is being started or ended has this long to settle.
  private static let settleMicroseconds: UInt32 = 20_000

  static let all = [
    CheckCase(
      .open, "loads", "the library opens, accepts this host and gives a sound table",
      remedy: "run it under a debugger, with --in-process", stage: .opening, isGate: true
    ) { subject in
      let plugin = try OpenPlugin(subject)
      return "\(plugin.description.id) \(plugin.description.version)"
    },
    CheckCase(
      .open, "time", "opening and querying it take less than \(openLimitMilliseconds) ms",
      remedy: "do slow work in start, not in constructors or nh_plugin_query", stage: .life
    ) { subject in
      let before = EventLoop.now()
      _ = try OpenPlugin(subject)
      let took = (EventLoop.now() - before) / 1_000_000
      guard took < openLimitMilliseconds else { throw CaseFailure("it took \(took) ms") }
      return "\(took)ms"
    },
    audit(.threads, "threads", "opening it starts no thread", "start threads in start, and end them in stop"),
    audit(
      .descriptors, "descriptors", "opening it leaves the process's descriptors as they are",
      "open files and sockets in start, and close them in stop"),
    audit(
      .signals, "signals", "opening it leaves the process's signal handlers as they are",
      "signals belong to the host; set no handler"),
    audit(
      .surroundings, "surroundings",
      "opening it leaves environment, working folder, umask, locale and rounding as they are",
      "these belong to the whole process; if rounding has changed, link without -ffast-math"),
    CheckCase(
      .open, "output", "opening it prints nothing", remedy: "say what is to be said through nh_host.log", stage: .life
    ) { subject in
      guard let output = OutputCatch() else { throw CaseSkip("there is no room for a file in /tmp") }
      let result = Result { try OpenPlugin(subject) }
      let printed = output.end()
      _ = try result.get()
      guard printed.isEmpty else { throw CaseFailure("it printed \"\(printed)\"") }
      return ""
    },
  ]

  private static func audit(_ aspect: ProcessState.Aspect, _ name: String, _ promise: String, _ remedy: String)
    -> CheckCase
  {
    CheckCase(.open, name, promise, remedy: remedy, stage: .life) { subject in
      let before = ProcessState()
      _ = try OpenPlugin(subject)
      if aspect == .threads { usleep(settleMicroseconds) }
      let changes = ProcessState().changes(since: before, aspect)
      guard changes.isEmpty else { throw CaseFailure(changes.joined(separator: "; ")) }
      return ""
    }
  }
}
