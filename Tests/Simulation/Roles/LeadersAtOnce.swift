import NodeValues
package import Simulator

/// Counts how many nodes say at the same time that they lead.
package final class LeadersAtOnce: WorldWatcher {
  private var isWatching = false
  private var leaders: Set<Int> = []
  package private(set) var most = 0

  package init() {}

  package func worldMoved(_ world: World) {
    guard !isWatching else { return }
    isWatching = true
    world.observers.append { [unowned self] observation in
      guard observation.topic == "leader.changed", let json = try? JSON(parsing: observation.text) else { return }
      if json["self"]?.bool == true { leaders.insert(observation.node) } else { leaders.remove(observation.node) }
      most = max(most, leaders.count)
    }
  }
}
