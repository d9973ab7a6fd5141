import HostCore
import HostRuntime

/// A scenario played by live processes: one for each node, on this machine, in real time.
package final class LiveRun {
  /// At the end so much time is free of faults.
  private static let calm: Int64 = 2_000_000_000
  private static let begin: Int64 = 500_000_000
  /// Between two faults: real minutes are to be used.
  private static let spacing: ClosedRange<Int64> = 200_000_000...3_000_000_000
  /// Histories are checked while they grow, but not for more than this part of the time.
  private static let checkEvery: Int64 = 1_000_000_000
  private static let checkShare: Int64 = 20

  package struct Progress {
    package var nanoseconds: Int64
    package var faults: Int
    package var operations: Int
    package var answered: Int
  }

  private let play: Play
  private let places: LivePlaces
  private let stage: LiveStage
  private var nextCheck = checkEvery

  /// `command` makes this program a node, with its number and a descriptor behind it.
  package init(_ play: Play, in places: LivePlaces, command: [String]) {
    (self.play, self.places) = (play, places)
    stage = LiveStage(play.deployment, in: places, command)
  }

  package var trace: Trace { stage.trace }

  /// What of the scenario cannot be done live, and why.
  package static func leftOut(of play: Play) -> [String] { LiveFaults.leftOut(of: play) }

  package func plan(_ seed: UInt64) -> FaultPlan {
    var possible = play
    possible.scenario.faults.formIntersection(LiveFaults.kinds)
    return LiveFaults.possible(possible.plan(seed, from: Self.begin, calm: Self.calm, spacing: Self.spacing))
  }

  /// Nil if it was interrupted. Whatever comes of it, no process is left.
  package func run(
    _ seed: UInt64, isInterrupted: @escaping () -> Bool, progress: @escaping (Progress) -> Void
  ) -> Simulation.Outcome? {
    defer { stage.endAll() }
    stage.watchProcesses()
    stage.startAll()
    stage.loop.run { stage.failure == nil && !isInterrupted() && !stage.isReady }
    stage.beginPlay()
    let plan = plan(seed)
    let faults = LiveFaults(stage, plan, seed: seed)
    let clients = Clients(stage, play.scenario, seed: seed)
    let rules = RuleWatch(stage, play.scenario.rules, clients, calmFrom: plan.calmFrom)
    let duration = play.scenario.duration
    func answered() -> Int { clients.operations.count { $0.end != nil } }
    stage.loop.run {
      check(rules)
      progress(
        Progress(
          nanoseconds: stage.now, faults: faults.count, operations: clients.operations.count, answered: answered()))
      return stage.failure == nil && !isInterrupted() && stage.now < duration
    }
    if isInterrupted() { return nil }
    rules.checkHistories()
    checkLogs()
    return Simulation.Outcome(
      seed: seed, failure: stage.failure, plan: plan, events: trace.count, hash: trace.hash,
      operations: clients.operations.count, answered: answered(), virtualNanoseconds: stage.now)
  }

  private func check(_ rules: RuleWatch) {
    let begin = stage.now
    guard begin >= nextCheck else { return }
    rules.checkHistories()
    nextCheck = stage.now + max(Self.checkEvery, (stage.now - begin) * Self.checkShare)
  }

  /// A breach of the ABI's rules fails a run, as it does in a simulated world.
  private func checkLogs() {
    for node in stage.nodes {
      let text = String(decoding: readFile(node.logFile, limit: 64 << 20) ?? [], as: UTF8.self)
      let breach = text.split(separator: "\n").first {
        $0.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: true).dropFirst().first == "misuse"
      }
      if let breach { return stage.fail("no-misuse", "\(node.name): \(breach)") }
    }
  }
}
