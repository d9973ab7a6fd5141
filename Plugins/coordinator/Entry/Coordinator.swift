import CoordinatorCore
import NodeKit

/// Commits transactions on several nodes, or on none of them.
@main
final class Coordinator: Role, HealthReporting, Stateful {
  static let about = About(
    "coordinator", version: "1.0.0", "Changes what roles keep on several nodes together: on all of them or on none.")
  static let needs: [Need] = [.peers, .store, .timer, .random, .bus, .roles, .metrics]
  static let methods = [
    Method(
      "propose(proposal)",
      "Commits or aborts {changes: [{resource, key, change, nodes?}], id?, need?, wait?, timeout_ms?}.",
      propose),
    Method("status(id)", "What became of a transaction, as far as any node knows.", idempotent: true, status),
    Method("show(id)", "All that is known of a transaction, node by node.", idempotent: true, show),
    Method("list(what,limit)", "This node's transactions: open, in_doubt, or history.", idempotent: true, list),
    Method(
      "resolve(id,outcome,why)", "Commits or aborts what is in doubt on this node, whatever the others do.", resolve),
    Method("state()", "Who coordinates, and what is open and in doubt on this node.", idempotent: true, state),
  ]
  static let topics = [
    Topic("coordinator.decided", "A transaction was decided by this node: txid, outcome, reason, votes, us."),
    Topic(
      "coordinator.heuristic", "A person's decision met the true outcome: txid, outcome, heuristic, heuristic_damage."),
  ]

  private let node: CoordinatorNode

  init(_ context: RoleContext, _ config: CoordinatorSettings) throws { node = try CoordinatorNode(context, config) }

  func start() throws { try node.start() }
  func health() -> Health { node.health() }

  func propose(_ proposal: PassedJSON, _ reply: Reply<PassedJSON>) { node.propose(proposal, reply) }
  func status(_ id: String, _ reply: Reply<JSON>) throws { try node.status(id, reply) }
  func show(_ id: String, _ reply: Reply<JSON>) throws { try node.show(id, reply) }
  func list(_ what: String, _ limit: Int) throws -> JSON { try node.list(what, limit) }
  func resolve(_ id: String, _ outcome: String, _ why: String) throws -> String {
    try node.resolve(id, outcome, why)
  }
  func state() -> JSON { node.state() }

  // All that counts is in its store.
  static let stateVersion = 1
  func save() -> String { "" }
  func load(_ state: String, version: Int) {}
}
