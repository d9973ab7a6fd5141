import HostCore
import HostRuntime
import NodeValues
package import Simulator

/// Invariants of members and their gateway:
/// - what a member publishes of others fits together: nobody comes twice or goes twice, and revisions do not fall;
/// - of all nodes there ever were exactly one was told that it begins the cluster;
/// - when all is well again each member is in step and knows the very nodes that the gateway knows, each with its
///   present instance, and the gateway knows every member that has not left.
package final class MembersAgree: WorldWatcher {
  package static let order = "changes follow one another"
  package static let bootstrap = "one node begins"
  package static let agreement = "members know what the gateway knows"

  /// Long enough for what waits for a timeout.
  private static let patience: Int64 = 10_000_000_000
  private static let asking: Int64 = 2_000_000_000

  private let duration: Int64
  private let members: [String]
  private var hasBegun = false
  private var began: Set<Int> = []
  /// Held on to, so that no other takes the place of one in memory.
  private var processes: [Int: AnyObject] = [:]
  private var known: [Int: Known] = [:]
  package private(set) var looked = 0
  package private(set) var agreed = 0

  /// What one run of a node's process has published.
  private struct Known {
    var revision: Int64 = 0
    /// Nodes that have come and gone, as far as was told.
    var isThere: [Int64: Bool] = [:]
  }

  /// `minutes`: those of the scenario.
  package init(minutes: Double, members: [String]) {
    duration = Int64(minutes * 60e9)
    self.members = members
  }

  package func worldMoved(_ world: World) {
    guard !hasBegun else { return }
    hasBegun = true
    world.observers.append { [unowned self, unowned world] in observe($0, world) }
    askWhoBegins(world)
    world.at(duration - Self.patience) { [self, unowned world] in compare(world) }
  }

  // MARK: What is published

  private func observe(_ observation: Observation, _ world: World) {
    guard observation.role == "member", let event = try? JSON(parsing: observation.text),
      let process = world.nodes[observation.node].process
    else { return }
    looked += 1
    let number = observation.node
    if processes[number] !== process {
      processes[number] = process
      known[number] = Known()
    }
    let name = world.nodes[number].name
    let revision = event["revision"]?.int ?? 0
    if revision < known[number, default: Known()].revision {
      world.fail(Self.order, "\(name) tells of revision \(revision) after \(known[number]!.revision)")
    }
    known[number]?.revision = revision
    guard let id = event["node"]?["id"]?.int else { return }
    let isThere = known[number]?.isThere[id]
    switch observation.topic {
    case "member.joined":
      if isThere == true { world.fail(Self.order, "\(name) says twice that node \(id) has come") }
      known[number]?.isThere[id] = true
    case "member.left":
      if isThere == false { world.fail(Self.order, "\(name) says twice that node \(id) has gone") }
      known[number]?.isThere[id] = false
    default:
      if isThere == false { world.fail(Self.order, "\(name) tells of node \(id), which has gone") }
    }
  }

  // MARK: What is asked

  private func ask(
    _ node: SimNode, _ role: String, _ method: String, _ words: [String] = [], _ done: @escaping (JSON?) -> Void
  ) {
    node.ask(.call(role: role, method: method, CallRequest(.words(words), timeoutMilliseconds: 2_000))) { reply in
      if case .json(let json, status: _) = reply { done(json["value"]) } else { done(nil) }
    }
  }

  private func askWhoBegins(_ world: World) {
    for node in world.nodes where members.contains(node.name) && node.isUp {
      ask(node, "member", "is_bootstrap") { [self, unowned world] answer in
        guard answer == true else { return }
        began.insert(node.number)
        if began.count > 1 {
          let names = began.map { world.nodes[$0].name }.sorted()
          world.fail(Self.bootstrap, "\(names.joined(separator: " and ")) were told that they begin the cluster")
        }
      }
    }
    guard world.now + Self.asking < duration else {
      if began.isEmpty { world.fail(Self.bootstrap, "no node was ever told that it begins the cluster") }
      return
    }
    world.after(Self.asking) { [self, unowned world] in askWhoBegins(world) }
  }

  /// Clients may still come and go, so a moment is looked for at which all agree.
  private func compare(_ world: World, tries: Int = 6) {
    let answers = Answers()
    for node in world.nodes {
      if members.contains(node.name) {
        ask(node, "member", "nodes") { answers.lists[node.name] = $0 ?? .null }
        ask(node, "member", "status") { answers.standing[node.name] = $0 ?? .null }
      } else {
        ask(node, "gateway", "nodes") { answers.gateways[node.name] = $0 ?? .null }
      }
    }
    world.after(1_000_000_000) { [self, unowned world] in
      guard let trouble = answers.trouble(members) else { return agreed += 1 }
      guard tries > 1 else { return world.fail(Self.agreement, trouble) }
      compare(world, tries: tries - 1)
    }
  }

  private final class Answers {
    var lists: [String: JSON] = [:]
    var standing: [String: JSON] = [:]
    var gateways: [String: JSON] = [:]

    /// "1 3f…", "2 07…": ids with their instances.
    private static func nodes(_ list: JSON?, _ id: String) -> [String] {
      (list?.array ?? []).map { "\($0[id] ?? .null) \($0["instance"]?.string ?? "?")" }.sorted()
    }

    func trouble(_ members: [String]) -> String? {
      var registered: [String]?
      for (name, list) in gateways.sorted(by: { $0.key < $1.key }) {
        guard list.array != nil else { return "\(name) does not answer" }
        let nodes = Self.nodes(list, "node_id")
        if let registered, registered != nodes { return "\(name) knows \(nodes), and another gateway \(registered)" }
        registered = nodes
      }
      for name in members {
        guard let list = lists[name], let status = standing[name], status["state"] != nil else {
          return "\(name) does not answer"
        }
        let own = "\(status["id"] ?? .null) \(status["instance"]?.string ?? "?")"
        if status["state"] == "away" {
          if registered?.contains(own) == true { return "\(name) has left, and is registered" }
          continue
        }
        guard status["state"] == "joined", registered?.contains(own) == true else {
          return "\(name) is not registered as \(own): \(status)"
        }
        guard status["in_step"] == true else { return "\(name) is not in step: \(status)" }
        let nodes = Self.nodes(list["nodes"], "id")
        guard nodes == registered else { return "\(name) knows \(nodes), and the gateway \(registered ?? [])" }
      }
      return nil
    }
  }
}
