package import NodeValues

/// One build of a role's plugin in one stretch of time.
package struct Generation: Sendable, Equatable {
  package enum Cause: String, Sendable, CaseIterable {
    case start, restart, swap, watch, rollback
  }

  package enum Outcome: Sendable, Equatable {
    /// It is about to run in the node for the first time; on disk before it does.
    case trying
    case running
    /// The next generation took over.
    case replaced
    case ended
    /// The swap to it was undone before it took over.
    case refused(String)
    /// It took over and gave up on probation.
    case reverted(String)
  }

  package var number: Int
  package var sha256: String
  package var version: String
  /// The private copy, from which a rollback loads it again.
  package var copy: String
  /// Wall clock, milliseconds.
  package var began: Int64
  package var cause: Cause
  package var outcome = Outcome.running
  /// It has taken over, and has yet to show that it does no harm.
  package var isOnProbation = false
  /// How long calls waited at the gate.
  package var pauseMicroseconds: Int64?
  package var stateBytes: Int?

  package init(number: Int, sha256: String, version: String, copy: String, began: Int64, cause: Cause) {
    self.number = number
    self.sha256 = sha256
    self.version = version
    self.copy = copy
    self.began = began
    self.cause = cause
  }
}

/// What a role has been through, kept on disk: its generations, and the builds that failed it.
package struct RoleHistory: Sendable, Equatable {
  package static let limit = 100
  /// Quarantined builds beside those that a generation names.
  package static let quarantineLimit = 100

  /// The oldest first.
  package private(set) var generations: [Generation] = []
  /// Hashes of builds that are not tried again, with the reason.
  package private(set) var quarantine: [String: String] = [:]

  package init() {}

  package var current: Generation? { generations.last { $0.outcome == .running } }
  package var nextNumber: Int { (generations.last?.number ?? 0) + 1 }

  package func generation(_ number: Int) -> Generation? { generations.first { $0.number == number } }

  /// The build to go back to: the newest that served, other than the one that runs.
  package var previous: Generation? {
    generations.last { $0.sha256 != current?.sha256 && ($0.outcome == .replaced || $0.outcome == .ended) }
  }

  /// The newest build that served, whatever became of it later: to fall back on when the plugin's file is no good.
  package var lastGood: Generation? {
    generations.last { generation in
      guard quarantine[generation.sha256] == nil else { return false }
      switch generation.outcome {
      case .running, .replaced, .ended: return true
      case .trying, .refused, .reverted: return false
      }
    }
  }

  /// The process that wrote this is gone, and what ran then has ended. A build that it died of is not tried again by
  /// itself; nobody can tell whether it did, or was killed just then.
  package mutating func endAll() {
    for place in generations.indices {
      let generation = generations[place]
      switch generation.outcome {
      case .running where generation.isOnProbation && !hasServed(generation.sha256):
        let reason = "the node died while it was on probation"
        generations[place].outcome = .reverted(reason)
        quarantine(generation.sha256, because: reason)
      case .running: generations[place].outcome = .ended
      case .trying:
        let reason = "the node ended while it took over"
        generations[place].outcome = .refused(reason)
        quarantine(generation.sha256, because: reason)
      default: break
      }
      generations[place].isOnProbation = false
    }
  }

  /// Then it is no new build that a process died of, and to condemn it might leave none to fall back on.
  private func hasServed(_ sha256: String) -> Bool {
    generations.contains { $0.sha256 == sha256 && ($0.outcome == .replaced || $0.outcome == .ended) }
  }

  /// The oldest is forgotten, but never the one that runs or that there would be to fall back on, however many builds
  /// have failed since.
  package mutating func add(_ generation: Generation) {
    generations.append(generation)
    while generations.count > Self.limit {
      let kept = [current, previous, lastGood].compactMap { $0?.number }
      guard let oldest = generations.firstIndex(where: { !kept.contains($0.number) }) else { return }
      generations.remove(at: oldest)
    }
  }

  /// In the place of what was written of it before.
  package mutating func put(_ generation: Generation) {
    guard let place = generations.lastIndex(where: { $0.number == generation.number }) else { return add(generation) }
    generations[place] = generation
  }

  package mutating func end(_ number: Int, _ outcome: Generation.Outcome) {
    update(number) { $0.outcome = outcome }
  }

  package mutating func update(_ number: Int, _ change: (inout Generation) -> Void) {
    guard let place = generations.lastIndex(where: { $0.number == number }) else { return }
    change(&generations[place])
  }

  package mutating func quarantine(_ sha256: String, because reason: String) {
    quarantine[sha256] = reason
    guard quarantine.count > Self.limit + Self.quarantineLimit else { return }
    let named = Set(generations.map(\.sha256) + [sha256])
    quarantine = quarantine.filter { named.contains($0.key) }
  }
  package mutating func release(_ sha256: String) { quarantine[sha256] = nil }
}

/// The form on disk and on the control socket.
extension RoleHistory {
  package var json: JSON {
    [
      "generations": .array(generations.map(\.json)),
      "quarantine": .object(JSONObject(quarantine.sorted { $0.key < $1.key }.map { ($0.key, .string($0.value)) })),
    ]
  }

  /// What cannot be read of a damaged file is left out: a history is worth less than a role that starts.
  package init(_ json: JSON) {
    generations = (json["generations"]?.array ?? []).compactMap(Generation.init)
    for member in json["quarantine"]?.object?.members ?? [] { quarantine[member.key] = member.value.string }
  }
}

extension Generation {
  package var json: JSON {
    var object = JSONObject([
      ("generation", JSON(number)), ("sha256", .string(sha256)), ("version", .string(version)),
      ("copy", .string(copy)), ("began_ms", JSON(began)), ("cause", .string(cause.rawValue)),
      ("outcome", .string(outcome.name)),
    ])
    if let reason = outcome.reason { object["reason"] = .string(reason) }
    if isOnProbation { object["on_probation"] = true }
    if let pauseMicroseconds { object["pause_us"] = JSON(pauseMicroseconds) }
    if let stateBytes { object["state_bytes"] = JSON(stateBytes) }
    return .object(object)
  }

  package init?(_ json: JSON) {
    guard let number = json["generation"]?.int, let sha256 = json["sha256"]?.string,
      let version = json["version"]?.string, let copy = json["copy"]?.string, let began = json["began_ms"]?.int,
      let cause = json["cause"]?.string.flatMap(Cause.init),
      let outcome = Outcome(json["outcome"]?.string ?? "", reason: json["reason"]?.string ?? "")
    else { return nil }
    self.init(number: Int(number), sha256: sha256, version: version, copy: copy, began: began, cause: cause)
    self.outcome = outcome
    isOnProbation = json["on_probation"] == true
    pauseMicroseconds = json["pause_us"]?.int
    stateBytes = json["state_bytes"]?.int.map { Int($0) }
  }
}

extension Generation.Outcome {
  package var name: String {
    switch self {
    case .trying: "trying"
    case .running: "running"
    case .replaced: "replaced"
    case .ended: "ended"
    case .refused: "refused"
    case .reverted: "reverted"
    }
  }

  package var reason: String? {
    switch self {
    case .refused(let reason), .reverted(let reason): reason
    default: nil
    }
  }

  init?(_ name: String, reason: String) {
    switch name {
    case "trying": self = .trying
    case "running": self = .running
    case "replaced": self = .replaced
    case "ended": self = .ended
    case "refused": self = .refused(reason)
    case "reverted": self = .reverted(reason)
    default: return nil
    }
  }
}
