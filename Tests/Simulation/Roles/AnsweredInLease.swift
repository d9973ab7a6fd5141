import NodeValues
package import Simulator

/// An invariant of the image sink: a node says that an image is kept, or removed, only while it is sure that it leads.
package final class AnsweredInLease: WorldWatcher {
  package static let rule = "answered in the lease"

  private var isWatching = false
  /// Until when each node is sure, in the world's time.
  private var sure: [Int: Int64] = [:]
  package private(set) var looked = 0

  package init() {}

  package func worldMoved(_ world: World) {
    guard !isWatching else { return }
    isWatching = true
    world.observers.append { [unowned self, unowned world] in observe($0, world) }
  }

  private func observe(_ observation: Observation, _ world: World) {
    let node = observation.node
    guard let json = try? JSON(parsing: observation.text) else { return }
    switch observation.topic {
    case "leader.lease":
      guard let microseconds = json["for_us"]?.int else { return }
      let clock = world.nodes[node].clock
      // Who hands over may go on for as long as nobody else is sure.
      for other in sure.keys where other != node { sure[other] = min(sure[other]!, observation.time) }
      sure[node] = clock.worldTime(of: clock.monotonic(observation.time) + microseconds * 1000)
    case "images.stored", "images.removed":
      looked += 1
      // To the microsecond, which is how the lease is told.
      guard observation.time > (sure[node] ?? .min) + 1_000_000 else { return }
      world.fail(Self.rule, "\(world.nodes[node].name) publishes \(observation.topic) and is not sure that it leads")
    default: break
    }
  }
}
