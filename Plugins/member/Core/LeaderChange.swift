package import NodeKit

/// What an elector publishes on the bus of its node when it knows of another leader, as JSON:
///
///     {"leader": 3, "term": 7, "node": 1}
///
/// This is the one place that says so. A member reports it to the gateway; see `Reports`.
package struct LeaderChange: RoleConfig {
  package static let topic = "leader.changed"

  @Setting("The id of the node that leads; null while nobody does.") package var leader: Int?
  @Setting("Of the election: rises with each.", in: 1...UInt64.max) package var term: UInt64
  @Setting("The id of the node that says so.") package var node: Int

  package init() {}
}
