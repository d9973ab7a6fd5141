internal import NodeKit

/// What one node has counted of a rollout, and what it says. Everything is a sum since the rollout began, so that a
/// report that is lost, or a new leader, loses nothing.
public struct Counting: Sendable, Equatable {
  /// The rollout's name and its step; 0 is no rollout.
  public var rollout: Int64 = 0
  public var step = 0
  public var total: [String: Tally] = [:]
  public var ofStep: [String: Tally] = [:]
  /// For each proportion among the metrics: what its windows say about each of ``Evidence/alternatives``.
  public var evidence: [[Double]] = []
  /// Seconds whose counts may still be of requests from before the rollout: the host tells them once a second.
  var early = 0

  private static let earlySeconds = 2

  public init() {}

  /// Begins anew for another rollout; for another step of the same only what is the step's.
  mutating func follow(_ new: Rollout?) {
    guard let new else { return self = Counting() }
    if rollout != new.id {
      self = Counting()
      rollout = new.id
      early = Self.earlySeconds
      evidence = new.proportions.map { _ in Evidence.none }
    }
    if step != new.step { ofStep = [:] }
    step = new.step
  }

  /// A second's counts of all versions.
  mutating func close(_ window: [String: Tally], _ rollout: Rollout) {
    guard early == 0 else {
      early -= 1
      return
    }
    for (id, tally) in window where id == rollout.canary || id == rollout.baseline {
      total[id, default: Tally()] += tally
      ofStep[id, default: Tally()] += tally
    }
    guard let canary = window[rollout.canary], let baseline = window[rollout.baseline] else { return }
    for (place, metric) in rollout.proportions.enumerated() {
      guard case .proportion(let bad, _, let factor) = metric.kind else { continue }
      let new = Evidence.ofWindow(canary: canary.count(bad), baseline: baseline.count(bad), factor: factor)
      for odds in new.indices { evidence[place][odds] += new[odds] }
    }
  }

  /// Of several nodes; those that are at another step of the rollout say nothing about this one.
  static func sum(_ all: [Counting], for rollout: Rollout) -> Counting {
    var sum = Counting()
    sum.follow(rollout)
    for one in all where one.rollout == rollout.id && one.evidence.count == sum.evidence.count {
      for (id, tally) in one.total { sum.total[id, default: Tally()] += tally }
      if one.step == rollout.step { for (id, tally) in one.ofStep { sum.ofStep[id, default: Tally()] += tally } }
      for (place, logs) in one.evidence.enumerated() {
        for odds in logs.indices { sum.evidence[place][odds] += logs[odds] }
      }
    }
    return sum
  }

  var json: JSON {
    func tallies(_ all: [String: Tally]) -> JSON {
      .object(JSONObject(all.sorted { $0.key < $1.key }.map { ($0.key, $0.value.json) }))
    }
    return [
      "rollout": .int(rollout), "step": .int(Int64(step)), "total": tallies(total), "of_step": tallies(ofStep),
      "evidence": .array(evidence.map { .array($0.map { .double($0) }) }),
    ]
  }

  init(_ json: JSON, at place: String) throws {
    let fields = try Fields(json, at: place, known: ["rollout", "step", "total", "of_step", "evidence"])
    rollout = try fields.integer("rollout")
    step = Int(try fields.integer("step", 0...Int64(Rollout.stepLimit)))
    func tallies(_ key: String) throws -> [String: Tally] {
      let members = fields[key]?.object?.members ?? []
      guard members.count <= RoutingState.versionLimit else { throw fields.fault(key, "too many versions") }
      var all: [String: Tally] = [:]
      for member in members { all[member.key] = try Tally(member.value, at: "\(place)/\(key)/\(member.key)") }
      return all
    }
    total = try tallies("total")
    ofStep = try tallies("of_step")
    evidence = try fields.list("evidence", most: Rollout.metricLimit).map { list in
      let logs = (list.array ?? []).compactMap(\.double)
      guard logs.count == Evidence.alternatives.count, logs.allSatisfy({ $0.isFinite && abs($0) < 1e12 }) else {
        throw fields.fault("evidence", "expected \(Evidence.alternatives.count) logarithms")
      }
      return logs
    }
  }
}
