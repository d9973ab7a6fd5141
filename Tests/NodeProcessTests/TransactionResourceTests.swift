import Glibc
import HostRuntime
import NodeValues
import SimulatedRoles
import Testing

/// The role whose keys a transaction changes goes and comes between its node's vote and the outcome.
@Suite(.serialized) struct TransactionResourceTests {
  enum Change: String, CaseIterable { case restarts, swaps, fails }

  @Test(arguments: Change.allCases) func whoIsStartedAnewIsPreparedAgain(_ change: Change) throws {
    let banks = Banks(
      majority: false, plugins: try Coordinator.stopping.folder(broken: "STOPS"),
      resource: "role: vault, restart: { policy: on-failure, backoff_ms: 50 }", isOneThread: true)
    let machine = banks.machine
    let nodes = try (1...3).map { try banks.start($0) }
    _ = try banks.coordinator()
    // The coordinator stands still when it has decided, so the others are in doubt.
    machine.write("stop-1", "hold has-decided")
    let proposer = machine.child(
      "\(Place.products)/hostctl",
      ["--node", "bank-2", "txn", "propose", Banks.proposal("t", "k", resource: "vault")])
    try banks.eventually("nodes 2 and 3 are in doubt") {
      machine.exists(machine.path("stop-1.held")) && (2...3).allSatisfy { banks.state($0)["in_doubt_count"] == 1 }
    }
    func report() -> JSON { banks.value(2, "vault", "report") ?? .null }
    #expect(report()["reserved"] == ["t"])
    switch change {
    case .restarts: #expect(machine.hostctl("--node", "bank-2", "restart", "vault").code == 0)
    case .swaps:
      // Another build, as far as its digest tells.
      let copied = run([
        "sh", "-c", "cp \(Place.products)/libvault.so \(machine.folder); echo >> \(machine.folder)/libvault.so",
      ])
      #expect(copied.code == 0)
      let swapped = machine.hostctl("--node", "bank-2", "swap", "vault", machine.path("libvault.so"))
      #expect(swapped.code == 0, "\(swapped.all)")
    case .fails: _ = banks.value(2, "vault", "give_up")
    }
    // It is another one, so it can only know of it by having been asked again.
    try banks.eventually("it is prepared again") { report()["reserved"] == ["t"] && generation(banks) > 1 }
    #expect(banks.state(2)["in_doubt_count"] == 1)
    unlink(machine.path("stop-1.held"))
    #expect(proposer.end() == 0, "\(proposer.output)\(proposer.errors)")
    try banks.eventually("it is carried out") { (1...3).allSatisfy { banks.state($0)["local"] == 0 } }
    let last = report()
    #expect(last["done"] == ["commit t"] && last["unprepared"] == 0 && last["reserved"] == [], "\(last)")
    for (place, node) in nodes.enumerated() {
      #expect(!node.errors.contains("misuse"), "node \(place + 1): \(node.errors)")
    }
  }

  private func generation(_ banks: Banks) -> Int64 {
    let said = banks.machine.hostctl("--node", "bank-2", "list", "--json")
    let roles = (try? JSON(parsing: said.output))?["roles"]?.array ?? []
    return roles.first { $0["name"] == "vault" }?["generation"]?.int ?? 0
  }
}
