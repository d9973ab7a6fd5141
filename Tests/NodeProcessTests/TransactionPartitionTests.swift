import Glibc
import HostRuntime
import NodeValues
import SimulatedRoles
import Testing

/// Three nodes that commit transactions, each in a network of its own, of which one is cut off in the middle of one.
@Suite(.serialized) struct TransactionPartitionTests {
  /// Where the transaction is when a node is cut off, and what has to become of it.
  private struct Cut {
    enum Who { case coordinator, participant }
    var of: Who
    /// Who stands still at the step until it is done.
    var holds: Who
    var step: String
    var outcome: String
    /// Until the links are down too; else only until the others have gone on.
    var isLong = false
  }

  private static let cuts = [
    // It has voted yes, and the vote does not arrive.
    Cut(of: .participant, holds: .participant, step: "is-prepared", outcome: "ABORT"),
    // A majority has the decision, and it is not told.
    Cut(of: .participant, holds: .coordinator, step: "has-decided", outcome: "COMMIT", isLong: true),
    Cut(of: .coordinator, holds: .coordinator, step: "has-decided", outcome: "COMMIT"),
    // Nobody but the one that is cut off gets the record.
    Cut(of: .coordinator, holds: .coordinator, step: "records", outcome: "ABORT"),
  ]
  private static let moreCuts =
    cuts.map { cut in
      var other = cut
      other.isLong.toggle()
      return other
    } + [Cut(of: .coordinator, holds: .coordinator, step: "hears-vote", outcome: "ABORT", isLong: true)]

  /// From the healing on, all links and all outcomes together. Links need the most of it: a dialler may rest for 5 s.
  private static let healingSeconds = 15.0
  /// From when the nodes are linked again.
  private static let doubtSeconds = 3.0

  @Test(.enabled(if: Wires.canBeMade, "network namespaces are for root"))
  func whoeverIsCutOffAllNodesAgree() throws {
    let banks = Banks(majority: true, plugins: try Coordinator.stopping.folder(broken: "STOPS"))
    let wires = try Wires(banks.machine)
    let nodes = try (1...3).map { try banks.start($0, in: wires) }
    var longest = 0.0
    let cuts = Self.cuts + (wantsLongTests ? Self.moreCuts : [])
    for (number, cut) in cuts.enumerated() {
      longest = max(longest, try during(cut, number, banks, wires))
    }
    print("transactions: cut off \(cuts.count) times, all settled \(Int(longest * 1000)) ms after the links were back")
    for (place, node) in nodes.enumerated() {
      #expect(!node.errors.contains("misuse"), "node \(place + 1): \(node.errors)")
      // A node that had done otherwise than the others says so.
      #expect(!node.errors.contains("T here, "), "node \(place + 1): \(node.errors)")
    }
  }

  /// Gives back how long it took from when the nodes were linked again until nobody was in doubt.
  private func during(_ cut: Cut, _ number: Int, _ banks: Banks, _ wires: Wires) throws -> Double {
    let leader = try banks.coordinator(), participant = leader % 3 + 1
    let victim = cut.of == .coordinator ? leader : participant
    let others = [1, 2, 3].filter { $0 != victim }
    let told = try propose("t\(number)", at: cut.holds == .coordinator ? leader : participant, cut, banks)
    // Others that are under way, at whatever step.
    let more = (1...3).map { id in (id: "t\(number)-\(id)", told: ask(id, "t\(number)-\(id)", banks)) }
    for other in others { wires.set(victim, other, "down") }
    try release(banks)

    // Longer than the time for votes; and meanwhile the majority goes on.
    usleep(600_000)
    var tries = 0
    try banks.eventually("the others go on") {
      tries += 1
      let id = "between-\(number)-\(tries)"
      return banks.value(others[0], "coordinator", "propose", Banks.proposal(id, id, nodes: others))?["outcome"]
        == "COMMIT"
    }
    if cut.isLong { try banks.eventually("the links are down") { linked(victim, banks) == [victim] } }

    let healed = EventLoop.now()
    for other in others { wires.set(victim, other, "up") }
    var back = Int64.max
    try banks.eventually("nobody is in doubt") {
      if back == .max, (1...3).allSatisfy({ linked($0, banks).count == 3 }) { back = EventLoop.now() }
      return back < .max && (1...3).allSatisfy { banks.state($0)["local"] == 0 }
    }
    let now = EventLoop.now(), doubt = Double(now - back) / 1e9
    let what = "\(cut.of) cut off at \(cut.step)"
    #expect(Double(now - healed) / 1e9 < Self.healingSeconds, "\(what)")
    #expect(doubt < Self.doubtSeconds, "\(what)")
    try agree(banks, [("t\(number)", told)] + more, what)
    #expect(
      banks.value(1, "coordinator", "status", "t\(number)")?["state"]
        == (cut.outcome == "COMMIT" ? "committed" : "aborted"), "\(what)")
    return doubt
  }

  private func linked(_ id: Int, _ banks: Banks) -> [Int] {
    banks.state(id)["linked"]?.array?.compactMap { $0.int.map { Int($0) } } ?? []
  }

  /// Begins a transaction, and waits until the role stands still in the middle of it.
  private func propose(_ id: String, at held: Int, _ cut: Cut, _ banks: Banks) throws -> Child {
    banks.machine.write("stop-\(held)", "hold \(cut.step)")
    let proposer = ask(held % 3 + 1, id, banks)
    try banks.eventually("it stands still at \(cut.step)") {
      banks.machine.exists(banks.machine.path("stop-\(held).held"))
    }
    return proposer
  }

  private func release(_ banks: Banks) throws {
    for id in 1...3 { unlink(banks.machine.path("stop-\(id).held")) }
  }

  private func ask(_ node: Int, _ id: String, _ banks: Banks) -> Child {
    banks.machine.child(
      "\(Place.products)/hostctl", ["--node", "bank-\(node)", "txn", "propose", Banks.proposal(id, id), "--json"],
      environment: ["NODEHOST_RUNTIME_DIR=\(banks.machine.runtimeFolder)"])
  }

  /// All ledgers have the same, and what the proposers were told is so.
  private func agree(_ banks: Banks, _ asked: [(id: String, told: Child)], _ what: String) throws {
    for (_, told) in asked { _ = told.end() }
    try banks.eventually("all is over") { (1...3).allSatisfy { banks.state($0)["local"] == 0 } }
    let ledgers = (1...3).map { banks.ledger($0)?.array ?? [] }
    let common = ledgers.map { entries in entries.filter { $0["key"]?.string?.hasPrefix("between") == false } }
    #expect(common[0] == common[1] && common[1] == common[2], "\(what): \(common)")
    for (id, told) in asked {
      let isCommitted = common[0].contains { $0["key"]?.string == id }
      guard let said = try? JSON(parsing: told.output), let outcome = said["outcome"]?.string else {
        continue
      }
      #expect((outcome == "COMMIT") == isCommitted, "\(what): \(id): \(said)")
    }
  }
}
