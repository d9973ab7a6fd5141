import NodeKit

extension Gateway {
  static let topics = [
    Topic("gateway.joined", "A node has registered: node_id, address, instance, revision."),
    Topic("gateway.left", "A node has gone: node_id, reason (left, expired, evicted), revision."),
    Topic("gateway.leader", "Another node leads, or in another term: leader_id, term, revision."),
  ]

  /// Tells the node's other roles, and whoever reads the log.
  func tell(_ change: Change) {
    let revision = JSON(change.revision), id = JSON(Int(change.id))
    switch change.kind {
    case .joined:
      let facts = NodeFacts(change.node?.info ?? [])
      publish(
        "gateway.joined",
        ["node_id": id, "address": .string(facts.place), "instance": .string(facts.instance), "revision": revision])
      context.log.debug("node \(change.id) at \(facts.place) has joined", ["revision": revision])
    case .updated: context.log.debug("node \(change.id) has told something new of itself", ["revision": revision])
    case .left:
      publish("gateway.left", ["node_id": id, "reason": .string(change.reason), "revision": revision])
      if change.reason == "left" {
        context.log.debug("node \(change.id) has left", ["revision": revision])
      } else {
        context.log.info("node \(change.id) is out: \(change.reason)", ["revision": revision])
      }
    case .leader:
      publish("gateway.leader", ["leader_id": id, "term": JSON(change.term), "revision": revision])
      context.log.info("node \(change.id) leads, term \(change.term)", ["revision": revision])
    }
  }

  private func publish(_ topic: String, _ payload: JSON) {
    do { try context.bus.publish(topic, payload) } catch {
      context.log.debug("not published: \(error)")
    }
  }
}
