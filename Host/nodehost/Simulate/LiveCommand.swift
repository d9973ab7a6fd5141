import Glibc
import HostCore
import HostRuntime
import NodeValues
import Simulator

/// `nodehost simulate DEPLOYMENT --live`: the same scenario, played by real processes on this machine.
enum LiveCommand {
  /// Minutes are real here, so a scenario's own are taken only up to this.
  private static let usualMinutes = 1.0
  /// What came before a failure is told with it.
  private static let lastEvents = 24
  /// It may be found out some time after it happened.
  private static let keptEvents = 10_000

  nonisolated(unsafe) private static var interrupted: sig_atomic_t = 0

  static func run(_ invocation: Invocation, words: [String]) throws -> ExitCode {
    for option in ["shrink", "twice", "jobs"] where invocation.has(option) || invocation.value(option) != nil {
      throw SimulateCommand.Misuse("--\(option) is for simulated worlds; no two live runs are the same")
    }
    var scenario = try SimulateCommand.scenario(invocation)
    if invocation.value("minutes") == nil { scenario.minutes = min(scenario.minutes, usualMinutes) }
    let seeds = try SimulateCommand.seeds(invocation, scenario)
    let play = try Play(scenario)
    guard play.deployment.plans.count <= LivePlaces.mostNodes else {
      throw SimulateCommand.Misuse("a live run has \(LivePlaces.mostNodes) nodes at most; --nodes takes fewer")
    }
    for signal in [SIGINT, SIGTERM, SIGHUP] { Glibc.signal(signal) { _ in LiveCommand.interrupted = 1 } }
    let report = SimulationReport(invocation, seeds, minutes: scenario.minutes, leftOut: LiveRun.leftOut(of: play))
    for seed in seeds where interrupted == 0 {
      guard let json = try run(play, seed, words, report, trace: invocation.value("trace")) else { break }
      _ = report.take(.json(json))
    }
    if interrupted != 0 { report.interrupt() }
    return report.end()
  }

  private static func run(
    _ play: Play, _ seed: UInt64, _ words: [String], _ report: SimulationReport, trace: String?
  ) throws -> JSON? {
    let folder = try makeFolder()
    // Two live runs at once have different ones, so that their nodes do not meet.
    let network = UInt16(0x100 + Int(getpid()) % 0xFE00)
    let places = LivePlaces(play.deployment, folder: folder, network: network)
    var system = SystemRandomNumberGenerator()
    let key = (0..<4).map { _ in String(UInt64.random(in: UInt64.max / 2 ... .max, using: &system), radix: 16) }
    guard writeFile(places.keyFile, Array(key.joined().utf8), mode: 0o600) else {
      throw Deployment.Problem(text: "\(places.keyFile): \(systemError())")
    }
    let run = LiveRun(
      play, in: places, command: [ownExecutable, LiveNodeCommand.word, folder, "\(network)"] + words)
    let file = trace.map { TraceFile($0) }, names = play.deployment.names
    var last: [(time: Int64, line: String)] = []
    run.trace.reader = { time, node, words in
      let line = TraceText.line(time, node, words, names)
      file?.add(line)
      last.append((time, line))
      if last.count > 2 * keptEvents { last.removeFirst(keptEvents) }
    }
    let outcome = run.run(seed, isInterrupted: { interrupted != 0 }) { report.show($0, seed) }
    file?.flush()
    guard let outcome else {
      remove(folder)
      return nil
    }
    if outcome.failure == nil { remove(folder) }
    let end = outcome.failure?.time ?? 0
    return json(outcome, last.filter { $0.time <= end }.map(\.line).suffix(lastEvents), folder)
  }

  private static func json(_ outcome: Simulation.Outcome, _ last: ArraySlice<String>, _ folder: String) -> JSON {
    var members: [(String, JSON)] = [
      ("seed", .string("\(outcome.seed)")), ("events", JSON(outcome.events)),
      ("faults", JSON(outcome.plan.faults.count)), ("operations", JSON(outcome.operations)),
      ("answered", JSON(outcome.answered)), ("seconds", .double(Double(outcome.virtualNanoseconds) / 1e9)),
    ]
    if let failure = outcome.failure {
      members += [
        ("rule", .string(failure.rule)), ("words", .string(failure.words)),
        ("at_ms", JSON(failure.time / 1_000_000)), ("last", .array(last.map(JSON.string))),
        ("folder", .string(folder)),
      ]
    }
    return .object(JSONObject(members))
  }

  private static func makeFolder() throws -> String {
    let parent = Console.environment("TMPDIR") ?? "/tmp"
    var template = Array("\(parent)/nodehost-live-XXXXXX".utf8CString)
    guard let made = mkdtemp(&template) else { throw Deployment.Problem(text: "\(parent): \(systemError())") }
    return String(cString: made)
  }

  private static func remove(_ path: String) {
    var status = stat()
    guard lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      unlink(path)
      return
    }
    for name in filesIn(path) { remove("\(path)/\(name)") }
    rmdir(path)
  }
}
