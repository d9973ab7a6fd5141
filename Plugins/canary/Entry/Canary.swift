import CanaryCore
import NodeKit

/// Splits requests between versions of a service, as all nodes have agreed.
@main
final class Canary: Role, HealthReporting, Stateful {
  static let about = About(
    "canary", version: "1.0.0", "Splits requests between versions of a service, and rolls new ones out.")
  static let needs: [Need] = [.http, .client, .peers, .store, .timer, .random, .bus, .roles, .metrics]
  static let methods = [
    Method(
      "status()", "Shares, rates, and how far a rollout is, as the leading node knows it.", idempotent: true, status),
    Method("status_here()", "The same as this node knows it.", idempotent: true, statusHere),
    Method("state()", "The routing state, whole.", idempotent: true, state),
    Method(
      "history(limit)", "The latest decisions and why they were made, the newest first.", idempotent: true, history),
    Method("start(request)", "Rolls a version out: {version, url, steps, every_ms, metrics, …}.", begin),
    Method("promote(request)", "The next step now; with {all: true} the whole.", promote),
    Method("pause(request)", "Holds the rollout: {by, why}.", pause),
    Method("resume(request)", "Lets it go on: {by, why}.", resume),
    Method("abort_rollout(request)", "Gives all requests back to those who had them: {by, why}.", giveUp),
    Method("set(request)", "Changes shares and rules by hand: {weights, versions, stable, sticky, match, …}.", set),
    Method("report(request)", "What a version has done: {version, ok, latency_ms}.", report),
    Method("prepare(transaction,changes)", "The coordinator asks whether a change may be made.", prepare),
    Method("commit(transaction,changes)", "The coordinator says that it is made.", idempotent: true, commit),
    Method("abort(transaction,changes)", "The coordinator says that it is not made.", idempotent: true, abort),
  ]
  static let topics = [
    Topic("canary.changed", "Another state is at work on this node: version, digest, txid, before, node."),
    Topic("canary.decided", "What was decided and why: version, timestamp_ms, txid, decision, shares, sticky."),
  ]

  private let canary: CanaryNode

  init(_ context: RoleContext, _ config: CanarySettings) throws { canary = try CanaryNode(context, config) }

  func start() throws { try canary.start() }
  func health() -> Health { canary.health() }

  func status(_ reply: Reply<JSON>) { canary.status(reply) }
  func statusHere() -> JSON { canary.status(here: true) }
  func state() -> JSON { canary.current() }
  func history(_ limit: Int, _ reply: Reply<JSON>) throws { try canary.history(limit, reply) }
  func begin(_ request: JSON, _ reply: Reply<JSON>) throws { try canary.start(request, reply) }
  func promote(_ request: JSON, _ reply: Reply<JSON>) throws { try canary.promote(request, reply) }
  func pause(_ request: JSON, _ reply: Reply<JSON>) throws { try canary.pause(request, reply) }
  func resume(_ request: JSON, _ reply: Reply<JSON>) throws { try canary.resume(request, reply) }
  func giveUp(_ request: JSON, _ reply: Reply<JSON>) throws { try canary.giveUp(request, reply) }
  func set(_ request: JSON, _ reply: Reply<JSON>) { canary.set(request, reply) }
  func report(_ request: JSON) throws -> JSON { try canary.report(request) }
  func prepare(_ transaction: String, _ changes: JSON) throws -> JSON { try canary.prepare(transaction, changes) }
  func commit(_ transaction: String, _ changes: JSON, _ reply: Reply<JSON>) {
    canary.commit(transaction, changes, reply)
  }
  func abort(_ transaction: String, _ changes: JSON) -> JSON { canary.abort(transaction, changes) }

  static let stateVersion = 1
  func save() -> JSON { canary.saved() }
  func load(_ saved: JSON, version: Int) throws { try canary.restore(saved) }
}
