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

  private let machine = Machine()
  private let ports = freePorts(3)

  private func start(_ id: Int, majority: Bool, _ plugins: String) throws -> Child {
    let peers = (1...3).map { "\($0): \"127.0.0.1:\(ports[$0 - 1])\"" }.joined(separator: ", ")
    machine.write(
      "bank-\(id).yaml",
      """
      nodehost: 1
      node: { id: \(id), name: bank-\(id), address: 127.0.0.1, state: ./state-\(id) }
      cluster: { name: banks, key: "${BANKS_KEY}", peers: { \(peers) } }
      listen: { peers: { address: "127.0.0.1:\(ports[id - 1])" } }
      plugins: { folders: ["\(plugins)", "\(Place.products)"] }
      roles:
        \(majority ? "- { role: elector, config: { hold_down_ms: 60000 } }" : "")
        - role: ledger
        - role: coordinator
          config: { \(majority ? "elector: elector" : "node: 1"), vote_ms: 500, doubt_ms: 200 }
      """)
    let node = machine.child(
      Place.nodehost, ["bank-\(id).yaml"],
      environment: [
        "BANKS_KEY=" + String(repeating: "5c", count: 24), "NODEHOST_STOPS=\(machine.path("stop-\(id)"))",
      ])
    try node.waits(for: "node: ready after")
    return node
  }

  private func value(_ id: Int, _ words: String...) -> JSON? {
    let said = machine.hostctl(["--node", "bank-\(id)", "call"] + words + ["--json", "--timeout", "4000"])
    return said.code == 0 ? (try? JSON(parsing: said.output))?["value"] : nil
  }

  /// Who coordinates, linked with so many.
  private func coordinator(linked: Int = 3) throws -> Int {
    let end = EventLoop.now() + Int64(Child.patienceMilliseconds) * 1_000_000
    while EventLoop.now() < end {
      for id in 1...3 {
        guard let state = value(id, "coordinator", "state"), state["phase"] == "ready" else { continue }
        if state["linked"]?.array?.count == linked { return id }
      }
      usleep(20_000)
    }
    throw Missing(description: "nobody coordinates")
  }

  private struct Missing: Error, CustomStringConvertible { var description: String }

  @Test(arguments: [false, true]) func whateverStepIsTheLastAllNodesAgree(majority: Bool) throws {
    let plugins = try Coordinator.stopping.folder(broken: "STOPS")
    var nodes = try Dictionary(uniqueKeysWithValues: (1...3).map { ($0, try start($0, majority: majority, plugins)) })
    var number = 0, committed = 0
    for (steps, isCoordinator) in [(Self.steps.coordinator, true), (Self.steps.participant, false)] {
      for step in steps {
        number += 1
        let leader = try coordinator(), victim = isCoordinator ? leader : leader % 3 + 1
        machine.write("stop-\(victim)", step)
        let other = victim % 3 + 1
        let change = "{\"resource\":\"ledger\",\"key\":\"k\(number)\",\"change\":{\"set\":\(number)}}"
        let told = value(other, "coordinator", "propose", "{\"id\":\"t\(number)\",\"changes\":[\(change)]}")
        #expect(nodes[victim]!.end() == 128 + SIGKILL, "nothing stops at \(step)")
        unlink(machine.path("stop-\(victim)"))
        nodes[victim] = try start(victim, majority: majority, plugins)
        committed += try agree("t\(number)", "k\(number)", told, step) ? 1 : 0
      }
    }
    print("transactions: killed at \(number) steps, \(majority ? "majority" : "one decider"), \(committed) committed")
    for (id, node) in nodes { #expect(!node.errors.contains("misuse"), "node \(id): \(node.errors)") }
  }

  /// All nodes carry it out or none does, as the proposer was told if he was; whether they did.
  private func agree(_ id: String, _ key: String, _ told: JSON?, _ step: String) throws -> Bool {
    _ = try coordinator()
    let end = EventLoop.now() + Int64(Child.patienceMilliseconds) * 1_000_000
    while EventLoop.now() < end {
      let open = (1...3).map { value($0, "coordinator", "state")?["local"]?.int ?? 1 }
      let versions = (1...3).map { value($0, "ledger", "get", key)?["version"]?.int ?? 0 }
      if open == [0, 0, 0], Set(versions).count == 1 {
        let isCommitted = versions[0] == 1
        if let outcome = told?["outcome"]?.string { #expect((outcome == "COMMIT") == isCommitted, "at \(step)") }
        let again = value(1, "coordinator", "status", id)?["state"]?.string
        #expect(again == (isCommitted ? "committed" : "aborted") || (!isCommitted && again == "unknown"), "at \(step)")
        return isCommitted
      }
      usleep(50_000)
    }
    let states = (1...3).map { value($0, "coordinator", "show", id)?.description ?? "?" }
    Issue.record("killed at \(step), the nodes do not agree: \(states)")
    return false
  }

  /// A coordinator that stands still is not there.
  @Test func aCoordinatorThatStandsStillIsReplaced() throws {
    let nodes = try Dictionary(
      uniqueKeysWithValues: (1...3).map { ($0, try start($0, majority: true, Place.products)) })
    let first = try coordinator(), other = first % 3 + 1
    nodes[first]!.send(SIGSTOP)
    defer { nodes[first]!.send(SIGCONT) }
    let change = "{\"resource\":\"ledger\",\"key\":\"k\",\"nodes\":[\(other),\(other % 3 + 1)],\"change\":{\"add\":1}}"
    var told: JSON?
    for _ in 0..<20 where told?["outcome"] != "COMMIT" {
      told = value(other, "coordinator", "propose", "{\"changes\":[\(change)]}")
    }
    #expect(told?["outcome"] == "COMMIT", "\(told ?? .null)")
    nodes[first]!.send(SIGCONT)
    #expect(try coordinator() != first)
  }
}
