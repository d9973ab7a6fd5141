// How many seeds it takes to find each planted fault. Run by Tests/Simulation/run.
import Glibc
import HostCore
import HostRuntime
import SimulatedRoles
import Simulator

let usage = """
  usage: planted-faults [--starts N] [--sound] [FAULT...]

  Looks for each broken build of each role from N seeds on (15 if not given), and prints how many seeds it took:
  the median and the worst. FAULT is a role, or a part of a fault's name. Exits with 1 if one is not found.

  With --sound it runs the same scenarios with the role as it ships, N seeds of each: then nothing may be found.

  """

/// How far apart two searches begin.
let stride: UInt64 = 1000

struct Row {
  var planted: PlantedFault
  /// For each search; nil: not found.
  var tries: [Int?] = []
  var wrongRule: String?
  var seconds = 0.0

  var found: [Int] { tries.compactMap { $0 }.sorted() }
  var isFound: Bool { found.count == tries.count && wrongRule == nil }

  var text: String {
    let name = "\(planted)".padded(to: 32)
    if let wrongRule { return "\(name) found by another rule: \(wrongRule)" }
    guard isFound else {
      return "\(name) NOT found within \(planted.seeds) seeds by \(tries.count - found.count) searches"
    }
    let perRun = Int(seconds * 1000) / max(1, found.reduce(0, +))
    return
      "\(name) median \(found[found.count / 2]), worst \(found.last ?? 0) seeds, \(perRun) ms a run; \(planted.rule)"
  }
}

extension String {
  func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}

func search(_ planted: PlantedFault, _ starts: Int) throws -> Row {
  var row = Row(planted: planted)
  let simulation = try planted.trial.simulation(broken: planted.fault)
  let begin = EventLoop.now()
  for start in 0..<starts {
    let find = planted.search(simulation, from: 1 + UInt64(start) * stride)
    row.tries.append(find?.tries)
    if let find, find.failure.rule != planted.rule { row.wrongRule = "seed \(find.seed), \(find.failure.rule)" }
  }
  row.seconds = Double(EventLoop.now() - begin) / 1e9
  return row
}

/// What finds faults must find none where there are none.
func runSound(_ wanted: [PlantedFault], _ seeds: Int) throws -> Int32 {
  var seen: Set<String> = [], failed = 0
  for planted in wanted where seen.insert(planted.trial.build.name + planted.trial.scenario).inserted {
    let simulation = try planted.trial.simulation()
    for seed in 1...UInt64(seeds) {
      guard let failure = planted.trial.run(simulation, seed).failure else { continue }
      failed += 1
      print("\(planted.trial.build.name), scenario of \(planted.fault), seed \(seed): \(failure)")
      fflush(nil)
    }
  }
  print("\(seen.count) scenarios, \(seeds) seeds of each: \(failed) failed")
  return failed == 0 && !seen.isEmpty ? 0 : 1
}

func main() throws -> Int32 {
  var words = CommandLine.arguments.dropFirst(), starts = 15, isSound = false
  if words.first == "--starts" {
    guard words.count > 1, let number = Int(words[2]), number > 0 else { print(usage); return 64 }
    starts = number
    words = words.dropFirst(2)
  }
  if words.first == "--sound" {
    isSound = true
    words = words.dropFirst()
  }
  if words.contains(where: { $0.hasPrefix("-") }) { print(usage); return words.contains("--help") ? 0 : 64 }
  let wanted = PlantedFault.all.filter { planted in
    words.isEmpty || words.contains { "\(planted)".split(separator: $0, omittingEmptySubsequences: false).count > 1 }
  }
  if isSound { return try runSound(wanted, starts) }
  var rows: [Row] = []
  for planted in wanted {
    rows.append(try search(planted, starts))
    print(rows.last!.text)
    fflush(nil)
  }
  let medians = rows.filter(\.isFound).map { $0.found[$0.found.count / 2] }.sorted()
  let missing = rows.filter { !$0.isFound }.map { "\($0.planted)" }
  let what = missing.isEmpty ? "all \(rows.count)" : "\(rows.count - missing.count) of \(rows.count)"
  let middle = medians.isEmpty ? "" : ", the median of the medians is \(medians[medians.count / 2])"
  print("planted faults found: \(what), each searched from \(starts) seeds\(middle)")
  return missing.isEmpty && !rows.isEmpty ? 0 : 1
}

RepeatableProcess.become(ownExecutable)
exit(try main())
