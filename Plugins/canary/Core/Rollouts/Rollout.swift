internal import NodeKit

/// A version that is to take over, step by step. It is part of the state that all nodes have, so whichever node leads
/// goes on with it.
public struct Rollout: Sendable, Equatable {
  static let stepLimit = 32
  static let metricLimit = 8

  public enum Phase: String, Sendable, CaseIterable { case running, paused }

  /// The state's version with which it began: its name.
  public var id: Int64
  public var baseline: String
  public var canary: String
  public var steps: [Share]
  public var step = 0
  public var everyMs: Int64
  public var metrics: [Metric]
  /// So many requests the canary must have had in a step.
  public var minSamples: Int64 = 100
  /// The chance that a good version is rolled back, over the whole rollout.
  public var alpha = 0.01
  public var phase = Phase.running
  /// When the present step began, and how much of its time had passed before it was paused.
  public var stepBeganMs: Int64
  public var spentMs: Int64 = 0
  /// A step that is due and neither passes nor fails for so long pauses the rollout.
  public var inconclusiveMs: Int64 = 0
  /// So many measurements in a row of a metric from elsewhere that are bad let it fail, and that fail pause it.
  public var failureLimit: Int64 = 3
  public var errorLimit: Int64 = 5
  public var cooldownMs: Int64 = 0
  /// The shares before it began, in millionths.
  public var before: [String: Int] = [:]

  private static let keys = [
    "id", "baseline", "canary", "steps", "step", "every_ms", "metrics", "min_samples", "alpha", "phase",
    "step_began_ms", "spent_ms", "inconclusive_ms", "failure_limit", "error_limit", "cooldown_ms", "before",
  ]

  init(
    id: Int64, baseline: String, canary: String, steps: [Share], everyMs: Int64, metrics: [Metric], stepBeganMs: Int64
  ) {
    (self.id, self.baseline, self.canary, self.steps, self.everyMs) = (id, baseline, canary, steps, everyMs)
    (self.metrics, self.stepBeganMs) = (metrics, stepBeganMs)
  }

  init(_ json: JSON, at place: String) throws {
    let fields = try Fields(json, at: place, known: Self.keys)
    id = try fields.integer("id")
    baseline = try fields.text("baseline", most: 64)
    canary = try fields.text("canary", most: 64)
    steps = try fields.list("steps", most: Self.stepLimit).enumerated().map { place, step in
      guard let number = step.int, (0...1_000_000).contains(number) else {
        throw fields.fault("steps/\(place)", "expected millionths, from 0 to 1000000")
      }
      return Share(millionths: Int(number))
    }
    step = Int(try fields.integer("step", 0...Int64(Self.stepLimit)))
    everyMs = try fields.integer("every_ms", 1...31_536_000_000)
    metrics = try fields.texts("metrics", most: Self.metricLimit).map { try Metric($0) }
    minSamples = try fields.integer("min_samples", 0...1_000_000_000)
    alpha = try fields.number("alpha", 1e-9...0.5) ?? alpha
    let word = try fields.text("phase")
    guard let phase = Phase(rawValue: word) else { throw fields.fault("phase", "`\(word)` is none of running, paused") }
    self.phase = phase
    stepBeganMs = try fields.integer("step_began_ms")
    spentMs = try fields.integer("spent_ms")
    inconclusiveMs = try fields.integer("inconclusive_ms")
    failureLimit = try fields.integer("failure_limit", 1...1_000)
    errorLimit = try fields.integer("error_limit", 1...1_000)
    cooldownMs = try fields.integer("cooldown_ms")
    for member in fields["before"]?.object?.members ?? [] {
      guard let share = member.value.int, (0...1_000_000).contains(share) else {
        throw fields.fault("before/\(member.key)", "expected millionths, from 0 to 1000000")
      }
      before[member.key] = Int(share)
    }
  }

  func check(in state: RoutingState) throws {
    func fault(_ key: String, _ words: String) -> RoleError {
      RoleError(.invalidArgument, words, at: "/rollout/\(key)")
    }
    guard steps.indices.contains(step) else { throw fault("step", "there are \(steps.count) steps, and this is none") }
    guard state.release(canary) != nil, state.canary == canary else {
      throw fault("canary", "`\(canary)` is not the state's canary")
    }
    guard state.release(baseline) != nil, baseline != canary else {
      throw fault("baseline", "`\(baseline)` is no other version of the state")
    }
    for (place, next) in zip(1..., steps.dropFirst()) where next <= steps[place - 1] {
      throw fault("steps/\(place)", "each step is larger than the one before")
    }
    for id in before.keys where state.release(id) == nil { throw fault("before/\(id)", "there is no such version") }
  }

  var json: JSON {
    [
      "id": .int(id), "baseline": .string(baseline), "canary": .string(canary),
      "steps": .array(steps.map { .int(Int64($0.millionths)) }), "step": .int(Int64(step)), "every_ms": .int(everyMs),
      "metrics": .array(metrics.map { .string($0.text) }), "min_samples": .int(minSamples), "alpha": .double(alpha),
      "phase": .string(phase.rawValue), "step_began_ms": .int(stepBeganMs), "spent_ms": .int(spentMs),
      "inconclusive_ms": .int(inconclusiveMs), "failure_limit": .int(failureLimit), "error_limit": .int(errorLimit),
      "cooldown_ms": .int(cooldownMs),
      "before": .object(JSONObject(before.sorted { $0.key < $1.key }.map { ($0.key, .int(Int64($0.value))) })),
    ]
  }

  /// The metrics that the nodes count themselves share `alpha`.
  var proportions: [Metric] {
    metrics.filter { if case .proportion = $0.kind { true } else { false } }
  }
  var share: Share { steps[step] }
  var isLastStep: Bool { step == steps.count - 1 }
}
