package import Simulator
import NodeValues

/// An invariant of the elector: at no moment are two nodes sure that they lead.
///
/// What a leader is told to be sure of counts, not when it learns that it leads no more: a node may be slow.
package final class OneLeaderAtATime: WorldWatcher {
  package static let rule = "one leader at a time"

  private struct Claim {
    var node: Int
    var term: Int64
    /// In the world's time.
    var until: Int64
  }

  private var isWatching = false
  private var latest: Claim?
  /// How many claims were looked at.
  package private(set) var looked = 0

  package init() {}

  package func worldMoved(_ world: World) {
    guard !isWatching else { return }
    isWatching = true
    world.observers.append { [unowned self, unowned world] in observe($0, world) }
  }

  private func observe(_ observation: Observation, _ world: World) {
    guard let json = try? JSON(parsing: observation.text), let term = json["term"]?.int else { return }
    let node = observation.node
    if observation.topic == "leader.changed", json["self"]?.bool == false, latest?.node == node {
      // It has given up what it was sure of.
      latest!.until = min(latest!.until, observation.time)
    }
    guard observation.topic == "leader.lease", let microseconds = json["for_us"]?.int else { return }
    looked += 1
    let clock = world.nodes[node].clock
    let until = clock.worldTime(of: clock.monotonic(observation.time) + microseconds * 1000)
    if let latest, latest.node != node, observation.time < latest.until {
      world.fail(
        Self.rule,
        "\(world.nodes[node].name) leads in term \(term), and \(world.nodes[latest.node].name) is sure for "
          + "\((latest.until - observation.time) / 1000) µs more that it does, in term \(latest.term)")
    }
    if let latest, latest.node != node, term <= latest.term {
      world.fail("terms grow", "term \(term) begins on \(world.nodes[node].name) after term \(latest.term)")
    }
    latest = Claim(node: node, term: term, until: until)
  }
}
