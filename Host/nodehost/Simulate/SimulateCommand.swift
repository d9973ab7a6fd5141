import Glibc
import HostCore
import HostRuntime
import NodeValues
import Simulator

/// `nodehost simulate DEPLOYMENT`: runs of a deployment in simulated worlds.
enum SimulateCommand {
  struct Misuse: Error {
    var message: String
    init(_ message: String) { self.message = message }
  }

  static func run(_ invocation: Invocation, words: [String]) -> ExitCode {
    do {
      if invocation.has("live") { return try LiveCommand.run(invocation, words: words) }
      // What is wrong is said here and not by each of the processes.
      let scenario = try scenario(invocation)
      let seeds = try seeds(invocation, scenario)
      guard let jobs = Int(invocation.value("jobs") ?? "\(usualJobs)"), (1...256).contains(jobs) else {
        throw Misuse("--jobs takes a number from 1 to 256")
      }
      if invocation.has("trace") || invocation.has("shrink"), seeds.count > 1 {
        throw Misuse("--trace and --shrink take one seed: name it with --seed")
      }
      let report = SimulationReport(invocation, seeds, minutes: scenario.minutes)
      var next: UInt64? = seeds.lowerBound
      SimulationJobs(min(jobs, seeds.count), words) {
        defer { next = next.flatMap { $0 < seeds.upperBound ? $0 + 1 : nil } }
        return next
      } heard: {
        report.take($0)
      }.run()
      return report.end()
    } catch let error as Misuse {
      Console.complain("nodehost: \(error.message)\nSee `nodehost simulate --help`.\n")
      return .usage
    } catch {
      Console.complain("nodehost: \(Self.words(error))\n")
      return .failure
    }
  }

  private static var usualJobs: Int { max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))) }

  static func words(_ error: any Error) -> String {
    switch error {
    case let error as Deployment.Problem: error.text
    case let error as Misuse: error.message
    case let error as FaultListProblem: error.message
    default: "\(error)"
    }
  }

  static func scenario(_ invocation: Invocation) throws -> Scenario {
    let path = invocation.arguments[0]
    var scenario = Scenario(deployment: path)
    if path.hasSuffix(".sim") {
      guard let bytes = readFile(path, limit: 1 << 20) else { throw Misuse("\(path): \(systemError())") }
      do throws(ScenarioReader.Problem) {
        scenario = try ScenarioReader.read(String(decoding: bytes, as: UTF8.self), in: PathText.folder(of: path))
      } catch {
        throw Deployment.Problem(text: "\(path):\(error.line): \(error.message)")
      }
    } else {
      scenario.rules = [.running(within: 15_000_000_000)]
    }
    try apply(invocation, to: &scenario)
    return scenario
  }

  private static func apply(_ invocation: Invocation, to scenario: inout Scenario) throws {
    if let text = invocation.value("minutes") {
      guard let minutes = Double(text), minutes > 0, minutes <= 100_000 else {
        throw Misuse("--minutes takes a number above 0, not `\(text)`")
      }
      scenario.minutes = minutes
    }
    if let text = invocation.value("nodes") {
      guard let nodes = Int(text), (1...10_000).contains(nodes) else {
        throw Misuse("--nodes takes a number from 1 to 10000, not `\(text)`")
      }
      scenario.nodes = nodes
    }
    if let text = invocation.value("neighbours") {
      guard let neighbours = Int(text), neighbours > 0 else { throw Misuse("--neighbours takes a number above 0") }
      scenario.neighbours = neighbours
      scenario.nodes = scenario.nodes ?? 1
    }
    if let text = invocation.value("faults") {
      do throws(FaultListProblem) { scenario.faults = try Set(list: text) } catch {
        throw Misuse("--faults: \(error.message)")
      }
    }
  }

  static func seeds(_ invocation: Invocation, _ scenario: Scenario) throws -> ClosedRange<UInt64> {
    if let text = invocation.value("seeds") {
      let ends = text.split(separator: ".", omittingEmptySubsequences: true).compactMap { UInt64($0) }
      guard ends.count == 2, ends[0] <= ends[1], text.contains("..") else {
        throw Misuse("--seeds takes A..B, such as 1..2000, not `\(text)`")
      }
      return ends[0]...ends[1]
    }
    if let text = invocation.value("seed") {
      guard let seed = UInt64(text) else { throw Misuse("--seed takes a whole number, not `\(text)`") }
      return seed...seed
    }
    let seed = scenario.seed ?? UInt64.random(in: 1...999_999)
    return seed...seed
  }
}
