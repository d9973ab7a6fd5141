import NodeValues
package import Simulator

/// Invariants of the canary router, as its users and those who run it see it: what one node serves never goes back,
/// one user gets one version under one state wherever he asks, a bad version never gets a larger share by itself, and a
/// good one is not rolled back.
package final class RoutingAgrees: WorldWatcher {
  package static let rises = "what a node serves does not go back"
  package static let sticks = "one user, one version"
  package static let judges = "bad versions go, and good ones stay"

  private var isWatching = false
  /// By node: the version that it has served, and when that was answered.
  private var served: [Int: (version: Int64, at: Int64)] = [:]
  private var chosen: [String: String] = [:]
  private var begun: Int64?
  /// From the start of a bad version to its rollback, in seconds.
  package private(set) var rollbacks: [Double] = []
  package private(set) var decisions: [String: Int] = [:]
  package private(set) var looked = 0
  private var known: Set<Int64> = []

  package init() {}

  package func worldMoved(_ world: World) {
    guard !isWatching else { return }
    isWatching = true
    world.observers.append { [unowned self, unowned world] in observe($0, world) }
    world.clientObservers.append { [unowned self, unowned world] in took($1, world) }
  }

  // MARK: What is served

  private func took(_ operation: ClientOperation, _ world: World) {
    guard case .answered(let answer) = operation.outcome, operation.end != nil, answer.hasPrefix("200"),
      let start = answer.firstIndex(of: "{"), let json = try? JSON(parsing: String(answer[start...]))
    else { return }
    looked += 1
    if let version = json["version"]?.int, json["digest"] != nil {
      see(version, operation, world)
    } else if let model = json["model_selected"]?.string, let version = json["routing_state"]?["version"]?.int,
      let user = json["input"]?["user"]?.string, json["routing_state"]?["weights"] != nil
    {
      stick(user, model, version, world)
    }
  }

  private func see(_ version: Int64, _ operation: ClientOperation, _ world: World) {
    if let last = served[operation.node], operation.start > last.at, version < last.version {
      world.fail(
        Self.rises, "\(world.nodes[operation.node].name) has served \(last.version), and now \(version)")
    }
    if version >= served[operation.node]?.version ?? 0 { served[operation.node] = (version, world.now) }
  }

  private func stick(_ user: String, _ model: String, _ version: Int64, _ world: World) {
    // Until a key is set everybody is led by chance.
    guard stickyFrom.map({ version >= $0 }) == true else { return }
    let place = "\(version) \(user)"
    if let before = chosen.updateValue(model, forKey: place), before != model {
      world.fail(Self.sticks, "under state \(version) \(user) gets \(before) and \(model)")
    }
  }

  // MARK: What is decided

  /// The first state with a key.
  private var stickyFrom: Int64?

  private func observe(_ observation: Observation, _ world: World) {
    guard observation.topic == "canary.decided", let json = try? JSON(parsing: observation.text),
      let version = json["version"]?.int, known.insert(version).inserted, let kind = json["decision"]?["kind"]?.string
    else { return }
    decisions[kind, default: 0] += 1
    // Nothing takes a key away in these scenarios.
    if json["sticky"]?.bool == true, stickyFrom.map({ version < $0 }) ?? true { stickyFrom = version }
    // "METRIC: VERSION …" is about the version that is rolled out.
    let why = json["decision"]?["why"]?.string ?? ""
    switch kind {
    case "start": begun = why.hasPrefix("bad ") ? world.now : nil
    case "step", "finish":
      if why.contains(": bad ") { world.fail(Self.judges, "state \(version): \(why)") }
    case "rollback":
      if why.contains(": good ") { world.fail(Self.judges, "state \(version): \(why)") }
      if let begun { rollbacks.append(Double(world.now - begun) / 1e9) }
      begun = nil
    default: begun = nil
    }
  }
}
