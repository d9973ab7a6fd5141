import ElectorCore
import NodeKit

/// Elects one of the cluster's nodes to lead.
@main
final class Elector: Role, Drainable, HealthReporting, Stateful {
  static let about = About("elector", version: "1.0.0", "Elects a leader among the cluster's nodes.")
  static let needs: [Need] = [.peers, .store, .timer, .random, .bus, .metrics]
  static let methods = [
    Method("leader()", "Who leads, and in which term; UNAVAILABLE while nobody does.", idempotent: true, leader),
    Method("term()", "The latest term that this node knows.", idempotent: true, term),
    Method("is_leader()", "Whether this node leads, and is sure of it.", idempotent: true, isLeader),
    Method("step_down(seconds)", "Lets another node lead; this one does not for so long.", stepDown),
    Method("status()", "What this node knows of the election.", idempotent: true, status),
  ]
  static let topics = [
    Topic(
      "leader.changed", "Another leads, or nobody: leader, term, node (this one), self (whether it is the leader)."),
    Topic(
      "leader.lease",
      "On the leader: it surely leads for_us µs from now on, 0 is for ever; until_ns is the same as a time."),
  ]

  private let elector: ElectorNode

  init(_ context: RoleContext, _ config: ElectorSettings) throws { elector = try ElectorNode(context, config) }

  func start() throws { try elector.start() }
  func drain() { elector.leave("the node is going") }
  func health() -> Health { elector.health() }

  func leader() throws -> JSON { try elector.leader() }
  func term() -> UInt64 { elector.currentTerm() }
  func isLeader() -> Bool { elector.isLeading }
  func stepDown(_ seconds: Int) throws -> String { try elector.stepDown(seconds) }
  func status() -> JSON { elector.status() }

  // The next build leads on if this one leads. What was promised for good it reads from its store.
  static let stateVersion = 1
  func save() -> String { elector.save() }
  func load(_ state: String, version: Int) { elector.load(state) }
}
