import Glibc
import HostCore
import HostRuntime
import NodeValues
import Simulator

/// What is said of the runs while they go on, and at their end.
final class SimulationReport {
  /// More failures are only counted.
  private static let shownFailures = 5
  private static let lineWidth = 160

  private let invocation: Invocation
  private let seeds: ClosedRange<UInt64>
  private let minutes: Double
  private let began = EventLoop.now()
  private var done = 0, twice = 0, events = 0, operations = 0, answered = 0
  private var failures: [JSON] = []
  private var failureCount = 0
  private var problem: String?
  private var results: [JSON] = []
  private let line = ProgressLine(isShown: true)
  /// What of the scenario a live run cannot do, and why; nil: the runs are simulated.
  private let leftOut: [String]?
  private var faults = 0
  private var isInterrupted = false
  private var shownAt: Int64 = 0

  private var isJSON: Bool { invocation.has("json") }

  init(_ invocation: Invocation, _ seeds: ClosedRange<UInt64>, minutes: Double, leftOut: [String]? = nil) {
    (self.invocation, self.seeds, self.minutes, self.leftOut) = (invocation, seeds, minutes, leftOut)
  }

  /// False when nothing more is wanted.
  func take(_ answer: SimulationJobs.Answer) -> Bool {
    switch answer {
    case .died(let seed, let status):
      done += 1
      fail([
        "seed": .string("\(seed)"), "rule": "no crash",
        "words": .string(
          "a role has taken its process along (signal \(status), \(String(cString: strsignal(status))))"),
      ])
    case .json(let json):
      if let text = json["problem"]?.string {
        problem = text
        return false
      }
      if let tries = json["tries"]?.int {
        line.show("\(tries) tries, \(json["faults"]?.int ?? 0) faults, \(json["operations"]?.int ?? 0) operations left")
      } else if json["seed"] != nil, json["events"] != nil {
        take(result: json)
      }
    }
    return true
  }

  private func take(result json: JSON) {
    done += 1
    if json["twice"]?.bool == true { twice += 1 }
    events += Int(json["events"]?.int ?? 0)
    operations += Int(json["operations"]?.int ?? 0)
    answered += Int(json["answered"]?.int ?? 0)
    faults += Int(json["faults"]?.int ?? 0)
    if isJSON { results.append(json) }
    if json["rule"] != nil { fail(json) }
    showProgress()
  }

  private func fail(_ json: JSON) {
    failureCount += 1
    if failures.count < Self.shownFailures { failures.append(json) }
    guard !isJSON, failureCount <= Self.shownFailures else { return }
    line.clear()
    Console.write(text(of: json))
  }

  private var elapsed: Double { Double(EventLoop.now() - began) / 1e9 }

  /// How far a live run is.
  func show(_ progress: LiveRun.Progress, _ seed: UInt64) {
    guard progress.nanoseconds - shownAt > 200_000_000 || progress.nanoseconds < shownAt else { return }
    shownAt = progress.nanoseconds
    let number = seeds.count > 1 ? "run \(done + 1) of \(seeds.count), " : ""
    let seconds = progress.nanoseconds / 1_000_000_000
    line.show(
      "\(number)seed \(seed): \(seconds) of \(Int(minutes * 60)) s, \(progress.faults) faults, "
        + "\(progress.answered) of \(progress.operations) operations answered")
  }

  /// Whoever waits for the runs has had enough.
  func interrupt() { isInterrupted = true }

  private func showProgress() {
    guard seeds.count > 1, leftOut == nil else { return }
    let perMinute = Double(done) / max(elapsed, 0.001) * 60
    let left = Double(seeds.count - done) / max(perMinute, 0.001) * 60
    let part = Double(done) / Double(seeds.count), width = 24
    let filled = String(repeating: "█", count: Int(part * Double(width)))
    let bar = filled + String(repeating: "░", count: width - filled.count)
    line.show(
      "\(bar) \(done) of \(seeds.count) seeds, \(failureCount) failed, \(Int(perMinute)) a minute, \(Int(left)) s left")
  }

  // MARK: Text

  private func text(of json: JSON) -> String {
    let seed = json["seed"]?.string ?? "?"
    let words = (json["words"]?.string ?? "").split(separator: "\n").map { "  \($0)\n" }.joined()
    var text = "seed \(seed) fails: \(json["rule"]?.string ?? "")\n\(words)"
    if let at = json["at_ms"]?.int, at > 0 {
      let time = leftOut == nil ? "virtual time" : "the run"
      text += "  at \(Double(at) / 1000) s of \(time), after \(json["events"]?.int ?? 0) events\n"
    }
    let last = json["last"]?.array ?? []
    if !last.isEmpty {
      text +=
        "  what came before:\n"
        + last.compactMap(\.string).map { "    \(TextLayout.clip($0, to: Self.lineWidth))\n" }.joined()
    }
    if let folder = json["folder"]?.string { text += "  what the nodes logged and stored: \(folder)\n" }
    return text + "  again: \(command(seed))\n"
  }

  /// The one command that repeats a run.
  private func command(_ seed: String) -> String {
    var words = ["nodehost", "simulate", invocation.arguments[0], "--seed", seed]
    for name in ["minutes", "nodes", "neighbours", "faults"] {
      if let value = invocation.value(name) { words += ["--\(name)", value] }
    }
    if leftOut != nil { words.append("--live") }
    return words.joined(separator: " ")
  }

  func end() -> ExitCode {
    line.clear()
    if let problem {
      Console.complain("nodehost: \(problem)\n")
      return .failure
    }
    if isJSON {
      Console.write(json.pretty + "\n")
    } else {
      writeShrunk()
      Console.write(summary)
    }
    return failureCount == 0 && done == seeds.count ? .success : .failure
  }

  private var json: JSON {
    [
      "runs": JSON(done), "failed": JSON(failureCount), "twice": JSON(twice), "events": JSON(events),
      "operations": JSON(operations), "answered": JSON(answered), "seconds": .double(elapsed),
      "results": .array(results), "live": .bool(leftOut != nil), "left_out": .array((leftOut ?? []).map(JSON.string)),
    ]
  }

  private var summary: String { leftOut.map(liveSummary) ?? simulatedSummary }

  private func liveSummary(_ leftOut: [String]) -> String {
    var text = isInterrupted ? "interrupted; " : ""
    text += "\(done) live \(done == 1 ? "run" : "runs") of \(minutes) minutes: \(failureCount) failed"
    text += "; \(faults) faults; \(answered) of \(operations) operations answered\n"
    return text + leftOut.map { "left out: \($0)\n" }.joined()
  }

  private var simulatedSummary: String {
    let virtual = Double(done) * minutes * 60 / max(elapsed, 0.001)
    var text = "\(done) \(done == 1 ? "run" : "runs") of \(minutes) virtual minutes: \(failureCount) failed"
    text += "; \(events) events, \(Int(virtual)) times faster than life"
    if operations > 0 { text += "; \(answered) of \(operations) operations answered" }
    if twice > 0 { text += "; \(twice) run twice" }
    return text + "\n"
  }

  /// A shrunk run is a scenario of its own.
  private func writeShrunk() {
    guard invocation.has("shrink"), let failure = failures.first, let scenario = failure["scenario"]?.string else {
      return
    }
    let path = "simulate-\(seeds.lowerBound).sim"
    guard writeFile(path, Array(scenario.utf8), mode: 0o644) else {
      return Console.complain("nodehost: \(path) cannot be written: \(systemError())\n")
    }
    Console.write("shrunk to \(path), which repeats it by `nodehost simulate \(path)`:\n\n\(scenario)\n")
  }
}
