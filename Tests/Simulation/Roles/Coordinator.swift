/// The coordinator's scenarios, with tellers that move money, and what is broken about it for trial.
package enum Coordinator {
  package static let build = RoleBuild(
    "coordinator", modules: [.init("CoordinatorCore", "Plugins/coordinator/Core")], entry: "Plugins/coordinator/Entry")
  /// Ends its process at the step of the protocol that a test says.
  package static let stopping = RoleBuild(
    "coordinator",
    modules: [.init("Stops", "Tests/Fixtures/Stops"), .init("CoordinatorCore", "Plugins/coordinator/Core")],
    entry: "Plugins/coordinator/Entry")

  package static let majority = RoleTrial(build, "Tests/Simulation/transactions.sim", minutes: 1) {
    [TransactionsAgree(minutes: 1)]
  }
  package static let classic = RoleTrial(build, "Tests/Simulation/transactions-classic.sim", minutes: 1) {
    [TransactionsAgree(minutes: 1)]
  }
  /// Slow disks, and the power goes again and again.
  package static let powerCuts = RoleTrial(build, powerCutsOf("classic")) { [TransactionsAgree(minutes: 1)] }
  package static let majorityCuts = RoleTrial(build, powerCutsOf("majority")) { [TransactionsAgree(minutes: 1)] }
  /// Coordinators come and go.
  package static let failovers = RoleTrial(
    build,
    """
    deployment transactions/majority.yaml
    nodes 3
    minutes 1
    faults crashes,partitions,loss,slow
    \(clients)
    """
  ) { [TransactionsAgree(minutes: 1)] }

  /// One participant's disk is slow, and its power goes while the others decide.
  package static let lostVotes = RoleTrial(
    build,
    """
    deployment transactions/classic.yaml
    nodes 3
    minutes 0.5
    faults none
    \(clients)
    at 2s slow-disk bank-2 for 11s
    \((0..<7).map { "at \(3000 + 1400 * $0)ms blackout bank-2 for 300ms" }.joined(separator: "\n"))
    """
  ) { [TransactionsAgree(minutes: 0.5)] }

  private static let slowTimes = (0..<12).map {
    "at \(5 + 3 * $0 - $0 / 2)s slow bank-3 \(150 + 50 * ($0 % 6))ms for 1500ms"
  }

  /// A coordinator that pauses, and does not hear of the next one when it goes on.
  package static let pauses = RoleTrial(
    build,
    """
    deployment transactions/majority.yaml
    nodes 3
    minutes 1
    faults none
    \(clients)
    at 4s cut bank-2 bank-3 for 34s
    \(slowTimes.joined(separator: "\n"))
    """
  ) { [TransactionsAgree(minutes: 1)] }

  private static let clients = """
    clients 5 pause 10ms..150ms timeout 8s
      call teller.move {1..6} {1..6} {1..9}
      call teller.move {1..6} {1..6} {1..9}
      call teller.count {1..3}
      call teller.write {1..2} {1..9}
    """

  private static func powerCutsOf(_ mode: String) -> String {
    let cuts = (0..<9).map { cut in
      let node = ["bank", "bank-2", "bank-3"][cut % 3]
      return cut % 2 == 0
        ? "at \(4 + 3 * cut)s blackout bank bank-2 bank-3 for 500ms" : "at \(4 + 3 * cut)s crash \(node) for 300ms"
    }
    return """
      deployment transactions/\(mode).yaml
      nodes 3
      minutes 1
      faults none
      \(clients)
      at 2s slow-disk bank for 30s
      at 2s slow-disk bank-2 for 30s
      at 2s slow-disk bank-3 for 30s
      \(cuts.joined(separator: "\n"))
      """
  }

  package static let planted = [
    PlantedFault("TELLS_EARLY", in: powerCuts, breaks: TransactionsAgree.atomic),
    PlantedFault("VOTES_EARLY", in: lostVotes, breaks: TransactionsAgree.atomic),
    PlantedFault("GUESSES", in: classic, breaks: TransactionsAgree.atomic),
    PlantedFault("PREPARES_ANEW", in: failovers, breaks: TransactionsAgree.atomic),
    PlantedFault("UNLOCKS_EARLY", in: failovers, breaks: TransactionsAgree.atomic),
    PlantedFault("OVERTAKES", in: majority, breaks: TransactionsAgree.atomic),
  ]
}
