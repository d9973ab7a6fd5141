import Glibc
import HostCore
import HostRuntime
import NodeValues
import Simulator

/// The process that runs worlds: `nodehost simulate-worker` with the words of `simulate`. Reads a seed from each line
/// of its input, and answers with a line of JSON. A role that crashes takes this process along, and no other.
struct SimulationWorker {
  static let word = "simulate-worker"
  /// What came before a failure is told with it.
  private static let lastEvents = 24

  private let simulation: Simulation
  private let invocation: Invocation

  static func run(_ words: [String]) -> ExitCode {
    RepeatableProcess.become(ownExecutable)
    guard case .run(let invocation) = CommandTable.program.parse(["simulate"] + words) else { return .usage }
    let scratch = ScratchFolder()
    do {
      let catalogue = PluginCatalogue(scratch: scratch.path, executable: ownExecutable)
      let simulation = try Simulation(try SimulateCommand.scenario(invocation), catalogue)
      let worker = SimulationWorker(simulation: simulation, invocation: invocation)
      say([
        "nodes": JSON(simulation.deployment.plans.count),
        "seed": simulation.scenario.seed.map { .string("\($0)") } ?? .null,
      ])
      while let line = readLine() {
        guard let seed = UInt64(line) else { return .usage }
        if invocation.has("shrink") { worker.shrink(seed) } else { worker.run(seed) }
      }
      return .success
    } catch {
      say(["problem": .string(SimulateCommand.words(error))])
      return .failure
    }
  }

  private static func say(_ json: JSON) { Console.write(json.description + "\n") }

  // MARK: Runs

  private func run(_ seed: UInt64) {
    var outcome = firstRun(seed)
    let isTwice = seed % 10 == 0 || invocation.has("twice")
    if isTwice, outcome.failure == nil, simulation.run(seed).hash != outcome.hash {
      let place = simulation.divergence(seed)
      let words = place.map { "event \($0.number), on \($0.node): \($0.words)" } ?? "a place that is not found again"
      outcome.failure = WorldFailure(rule: "same seed, same run", words: "two runs part at \(words)", time: 0)
    }
    Self.say(json(outcome, isTwice: isTwice))
  }

  private func json(_ outcome: Simulation.Outcome, isTwice: Bool) -> JSON {
    var members: [(String, JSON)] = [
      ("seed", .string("\(outcome.seed)")), ("events", JSON(outcome.events)),
      ("hash", .string(String(outcome.hash, radix: 16))), ("faults", JSON(outcome.plan.faults.count)),
      ("operations", JSON(outcome.operations)), ("answered", JSON(outcome.answered)), ("twice", .bool(isTwice)),
    ]
    if let failure = outcome.failure {
      members += [
        ("rule", .string(failure.rule)), ("words", .string(failure.words)),
        ("at_ms", JSON(failure.time / 1_000_000)), ("last", .array(lastEvents(outcome).map(JSON.string))),
      ]
    }
    return .object(JSONObject(members))
  }

  /// With its trace in a file, if that is wanted.
  private func firstRun(_ seed: UInt64) -> Simulation.Outcome {
    guard let path = invocation.value("trace") else { return simulation.run(seed) }
    let trace = Trace(), names = simulation.deployment.names
    let file = TraceFile(path)
    trace.reader = { time, node, words in file.add(TraceText.line(time, node, words, names)) }
    defer { file.flush() }
    return simulation.run(seed, trace: trace)
  }

  private func lastEvents(_ outcome: Simulation.Outcome) -> [String] {
    let end = outcome.failure?.time ?? outcome.virtualNanoseconds
    let trace = Trace(), names = simulation.deployment.names
    var lines: [String] = []
    trace.reader = { time, node, words in
      guard time <= end else { return }
      lines.append(TraceText.line(time, node, words, names))
      if lines.count > 4 * Self.lastEvents { lines.removeFirst(3 * Self.lastEvents) }
    }
    _ = simulation.run(outcome.seed, outcome.plan, trace: trace)
    return lines.suffix(Self.lastEvents)
  }

  private func shrink(_ seed: UInt64) {
    let shrinker = Shrinker(simulation, seed: seed) { tries, faults, operations in
      Self.say(["tries": JSON(tries), "faults": JSON(faults), "operations": JSON(operations)])
    }
    guard var shrinker else { return run(seed) }
    let (scenario, outcome) = shrinker.run()
    var json = json(outcome, isTwice: false)
    if case .object(var object) = json {
      object["scenario"] = .string(scenario.text)
      json = .object(object)
    }
    Self.say(json)
  }
}

/// An event as a line.
enum TraceText {
  static func line(_ time: Int64, _ node: Int, _ words: String, _ names: [String]) -> String {
    let clock = TimeText.seconds(time)
    let indent = String(repeating: " ", count: max(0, 11 - clock.count))
    return "\(indent)\(clock)  \(node < 0 ? "world" : names[node])  \(TextLayout.harmless(words))"
  }
}

/// A trace on its way into a file.
private final class TraceFile {
  private let descriptor: Int32
  private var room: [UInt8] = []

  init(_ path: String) {
    descriptor = path == "-" ? 2 : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
    if descriptor < 0 { Console.complain("nodehost: \(path) cannot be written: \(systemError())\n") }
  }

  func add(_ line: String) {
    room += Array(line.utf8)
    room.append(10)
    if room.count > 1 << 16 { flush() }
  }

  func flush() {
    _ = writeAll(descriptor, room)
    room.removeAll(keepingCapacity: true)
  }
}
