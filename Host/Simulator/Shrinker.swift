/// Finds a smaller run with the same failure: fewer faults, a shorter time, fewer operations, fewer nodes.
package struct Shrinker {
  private var simulation: Simulation
  private let seed: UInt64
  private let rule: String
  /// Told how far it is.
  private let progress: (_ tries: Int, _ faults: Int, _ operations: Int) -> Void
  private var tries = 0
  private var outcome: Simulation.Outcome

  /// More tries are not worth the time.
  private static let tryLimit = 2_000

  /// Nil if the seed does not fail.
  package init?(_ simulation: Simulation, seed: UInt64, _ progress: @escaping (Int, Int, Int) -> Void) {
    let outcome = simulation.run(seed)
    guard let failure = outcome.failure else { return nil }
    (self.simulation, self.seed, self.progress, self.outcome) = (simulation, seed, progress, outcome)
    rule = failure.rule
  }

  /// The smallest that was found, as a scenario that repeats it.
  package mutating func run() -> (scenario: Scenario, outcome: Simulation.Outcome) {
    removeFaults()
    shortenTime()
    removeOperations()
    removeNodes()
    removeFaults()
    var scenario = simulation.scenario
    let names = simulation.deployment.names
    scenario.seed = seed
    scenario.faults = []
    scenario.steps = outcome.plan.faults.map { fault in
      Step(line: 0, words: Array(fault.text(nodes: names).split(separator: " ").map(String.init).dropFirst()))
    }
    return (scenario, outcome)
  }

  /// Takes over what fails in the same way.
  private mutating func attempt(_ simulation: Simulation, _ plan: FaultPlan) -> Bool {
    guard tries < Self.tryLimit else { return false }
    tries += 1
    let outcome = simulation.run(seed, plan)
    progress(tries, self.outcome.plan.faults.count, self.outcome.operations)
    guard outcome.failure?.rule == rule else { return false }
    (self.simulation, self.outcome) = (simulation, outcome)
    return true
  }

  /// Leaves out ever smaller parts of the list, as long as that helps.
  private mutating func removeFaults() {
    var size = max(1, outcome.plan.faults.count / 2)
    while !outcome.plan.faults.isEmpty {
      var start = 0, helped = false
      while start < outcome.plan.faults.count {
        var faults = outcome.plan.faults
        faults.removeSubrange(start..<min(faults.count, start + size))
        if attempt(simulation, FaultPlan(faults)) { helped = true } else { start += size }
      }
      if size == 1, !helped { return }
      size = max(1, size / 2)
    }
  }

  /// Nothing after the failure matters.
  private mutating func shortenTime() {
    guard let failure = outcome.failure else { return }
    for margin in [1.02, 1.2, 1.6] {
      var scenario = simulation.scenario
      scenario.minutes = min(scenario.minutes, (Double(failure.time) * margin + 1e9) / 60e9)
      let plan = FaultPlan(outcome.plan.faults.filter { $0.start <= scenario.duration })
      // The plan has them, as far as they are still there; and what is not looked at any more is no rule.
      scenario.steps = []
      let duration = scenario.duration
      scenario.rules.removeAll { $0.within.map { plan.calmFrom + $0 > duration } ?? false }
      if let shorter = try? simulation.with(scenario), attempt(shorter, plan) { return }
    }
  }

  private mutating func removeOperations() {
    var low = 0, high = outcome.operations
    while low < high {
      let middle = (low + high) / 2
      var scenario = simulation.scenario
      scenario.operations = max(1, middle)
      guard let fewer = try? simulation.with(scenario) else { return }
      if attempt(fewer, outcome.plan) { high = middle } else { low = middle + 1 }
    }
  }

  private mutating func removeNodes() {
    while simulation.deployment.plans.count > 1 {
      let count = simulation.deployment.plans.count - 1
      var scenario = simulation.scenario
      scenario.nodes = count
      let faults = outcome.plan.faults.filter { $0.nodes.allSatisfy { $0 < count } }
      guard let fewer = try? simulation.with(scenario), attempt(fewer, FaultPlan(faults)) else { return }
    }
  }
}

extension Fault {
  /// Whom it befalls, by number.
  var nodes: [Int] {
    switch change {
    case .crash(let node), .slowDisk(let node), .fullDisk(let node), .failingSync(let node), .drift(let node, _),
      .clockJump(let node, _), .slowNode(let node, _), .swap(let node, _), .reload(let node):
      [node]
    case .partition(let nodes), .blackout(let nodes): nodes
    case .oneWay(let from, let to): [from, to]
    case .slowNetwork, .breakingLinks, .duplicates, .reordering: []
    }
  }
}
