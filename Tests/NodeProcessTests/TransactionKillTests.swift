import Glibc
import HostRuntime
import NodeValues
import SimulatedRoles
import Testing

/// Three nodes that commit transactions, of which one is gone at each step of the protocol.
@Suite(.serialized) struct TransactionKillTests {
  /// Of the node that coordinates, and of another that takes part.
  private static let coordinatorSteps = ["asks", "hears-vote", "records", "has-decided", "hears-done"]
  private static let participantSteps = ["is-asked", "prepares", "is-prepared", "is-told", "has-carried-out"]
  private static var steps: (coordinator: [String], participant: [String]) {
    wantsLongTests
      ? (coordinatorSteps, participantSteps) : (["records", "has-decided"], ["is-prepared", "has-carried-out"])
  }

  @Test(arguments: [false, true]) func whateverStepIsTheLastAllNodesAgree(majority: Bool) throws {
    let banks = Banks(majority: majority, plugins: try Coordinator.stopping.folder(broken: "STOPS"))
    let machine = banks.machine
    var nodes = try Dictionary(uniqueKeysWithValues: (1...3).map { ($0, try banks.start($0)) })
    var number = 0, committed = 0
    for (steps, isCoordinator) in [(Self.steps.coordinator, true), (Self.steps.participant, false)] {
      for step in steps {
        number += 1
        let leader = try banks.coordinator(), victim = isCoordinator ? leader : leader % 3 + 1
        machine.write("stop-\(victim)", step)
        let other = victim % 3 + 1
        let told = banks.value(other, "coordinator", "propose", Banks.proposal("t\(number)", "k\(number)"))
        #expect(nodes[victim]!.end() == 128 + SIGKILL, "nothing stops at \(step)")
        unlink(machine.path("stop-\(victim)"))
        nodes[victim] = try banks.start(victim)
        committed += try agree(banks, "t\(number)", "k\(number)", told, step) ? 1 : 0
      }
    }
    print("transactions: killed at \(number) steps, \(majority ? "majority" : "one decider"), \(committed) committed")
    for (id, node) in nodes { #expect(!node.errors.contains("misuse"), "node \(id): \(node.errors)") }
  }

  /// All nodes carry it out or none does, as the proposer was told if he was; whether they did.
  private func agree(_ banks: Banks, _ id: String, _ key: String, _ told: JSON?, _ step: String) throws -> Bool {
    _ = try banks.coordinator()
    let end = EventLoop.now() + Int64(Child.patienceMilliseconds) * 1_000_000
    while EventLoop.now() < end {
      let open = (1...3).map { banks.value($0, "coordinator", "state")?["local"]?.int ?? 1 }
      let versions = (1...3).map { banks.value($0, "ledger", "get", key)?["version"]?.int ?? 0 }
      if open == [0, 0, 0], Set(versions).count == 1 {
        let isCommitted = versions[0] == 1
        if let outcome = told?["outcome"]?.string { #expect((outcome == "COMMIT") == isCommitted, "at \(step)") }
        let again = banks.value(1, "coordinator", "status", id)?["state"]?.string
        #expect(again == (isCommitted ? "committed" : "aborted") || (!isCommitted && again == "unknown"), "at \(step)")
        return isCommitted
      }
      usleep(50_000)
    }
    let states = (1...3).map { banks.value($0, "coordinator", "show", id)?.description ?? "?" }
    Issue.record("killed at \(step), the nodes do not agree: \(states)")
    return false
  }

  /// A coordinator that stands still is not there.
  @Test func aCoordinatorThatStandsStillIsReplaced() throws {
    let banks = Banks(majority: true)
    let nodes = try Dictionary(uniqueKeysWithValues: (1...3).map { ($0, try banks.start($0)) })
    let first = try banks.coordinator(), other = first % 3 + 1
    nodes[first]!.send(SIGSTOP)
    defer { nodes[first]!.send(SIGCONT) }
    let change = "{\"resource\":\"ledger\",\"key\":\"k\",\"nodes\":[\(other),\(other % 3 + 1)],\"change\":{\"add\":1}}"
    var told: JSON?
    for _ in 0..<20 where told?["outcome"] != "COMMIT" {
      told = banks.value(other, "coordinator", "propose", "{\"changes\":[\(change)]}")
    }
    #expect(told?["outcome"] == "COMMIT", "\(told ?? .null)")
    nodes[first]!.send(SIGCONT)
    #expect(try banks.coordinator() != first)
  }
}
