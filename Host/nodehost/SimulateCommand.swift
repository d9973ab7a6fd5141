import Glibc
import HostCore
import HostRuntime
import NodeValues
import Simulator

/// `nodehost simulate DEPLOYMENT`: runs of a deployment in simulated worlds.
enum SimulateCommand {
  private struct Misuse: Error {
    var message: String
    init(_ message: String) { self.message = message }
  }

  static func run(_ invocation: Invocation) -> ExitCode {
    do {
      return try simulate(invocation)
    } catch let error as Misuse {
      Console.complain("nodehost: \(error.message)\nSee `nodehost simulate --help`.\n")
      return .usage
    } catch {
      Console.complain("nodehost: \((error as? Deployment.Problem)?.text ?? "\(error)")\n")
      return .failure
    }
  }

  private static func simulate(_ invocation: Invocation) throws -> ExitCode {
    let scenario = try scenario(invocation)
    var deployment = try Deployment(scenario.deployment)
    if let nodes = scenario.nodes { deployment.resize(to: nodes, neighbours: scenario.neighbours) }
    let scratch = ScratchFolder()
    let simulation = Simulation(scenario, deployment, PluginCatalogue(scratch: scratch.path, executable: ownExecutable))
    let seeds = try seeds(invocation)
    var failures = 0
    let began = clock()
    for seed in seeds {
      let trace = Trace()
      if invocation.has("trace") {
        trace.reader = { time, node, words in
          let name = node < 0 ? "world" : deployment.plans[node].manifest.node.name
          Console.write("\(Double(time) / 1e9) \(name): \(words)\n")
        }
      }
      let outcome = simulation.run(seed, trace: trace)
      if let failure = outcome.failure {
        failures += 1
        Console.write("seed \(seed): \(failure.rule): \(failure.words), at \(Double(failure.time) / 1e9) s\n")
      } else {
        Console.write(
          "seed \(seed): right, \(outcome.events) events, \(outcome.answered) of \(outcome.operations) answered, \(String(outcome.hash, radix: 16))\n")
      }
    }
    Console.write("\(seeds.count) runs, \(failures) failed, \(Double(clock() - began) / 1e6) s\n")
    return failures == 0 ? .success : .failure
  }

  private static func scenario(_ invocation: Invocation) throws -> Scenario {
    let path = invocation.arguments[0]
    var scenario = Scenario(deployment: path)
    if path.hasSuffix(".sim") {
      guard let bytes = readFile(path, limit: 1 << 20) else { throw Misuse("\(path): \(systemError())") }
      scenario = try ScenarioReader.read(String(decoding: bytes, as: UTF8.self), in: PathText.folder(of: path))
    }
    if let text = invocation.value("minutes") { scenario.minutes = Double(text) ?? scenario.minutes }
    if let text = invocation.value("nodes") { scenario.nodes = Int(text) }
    if let text = invocation.value("faults") { scenario.faults = try Set(list: text) }
    return scenario
  }

  private static func seeds(_ invocation: Invocation) throws -> ClosedRange<UInt64> {
    if let text = invocation.value("seeds") {
      let ends = text.split(separator: "..").compactMap { UInt64($0) }
      guard ends.count == 2, ends[0] <= ends[1] else { throw Misuse("--seeds takes A..B, such as 1..2000") }
      return ends[0]...ends[1]
    }
    let seed = invocation.value("seed").flatMap { UInt64($0) } ?? UInt64.random(in: 1...999_999)
    return seed...seed
  }
}
