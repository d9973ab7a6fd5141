import NodeValues
package import Simulator

/// An invariant of several gateways, looked at after each event: what one says of a revision, all say, and the term of
/// the cluster's leader never falls from one revision to a later one.
package final class GatewaysAgree: WorldWatcher {
  private var said: [String: String] = [:]
  private var terms: [(revision: Int64, term: Int64)] = []
  private var isListening = false
  package private(set) var looked = 0

  package init() {}

  package func worldMoved(_ world: World) {
    guard !isListening else { return }
    isListening = true
    world.observers.append { [unowned self, unowned world] in observe($0, world) }
  }

  private func observe(_ observation: Observation, _ world: World) {
    guard observation.topic.hasPrefix("gateway."), let event = try? JSON(parsing: observation.text),
      let revision = event["revision"]?.int
    else { return }
    looked += 1
    let place = "\(revision)", words = "\(observation.topic) \(observation.text)"
    if let known = said.updateValue(words, forKey: place), known != words {
      world.fail("gateways agree", "revision \(revision) is `\(known)` and on \(observation.node) `\(words)`")
    }
    if observation.topic == "gateway.leader", let term = event["term"]?.int { check(term, revision, world) }
  }

  private func check(_ term: Int64, _ revision: Int64, _ world: World) {
    guard !terms.contains(where: { $0.revision == revision }) else { return }
    if let other = terms.first(where: { ($0.revision < revision) != ($0.term <= term) && $0.term != term }) {
      world.fail("terms rise", "revision \(revision) has term \(term), and revision \(other.revision) \(other.term)")
    }
    terms.append((revision, term))
  }
}
