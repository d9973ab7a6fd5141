internal import NodeKit

/// What `start` was asked for.
struct StartRequest {
  static let keys = [
    "version", "url", "steps", "every_ms", "metrics", "min_samples", "alpha", "inconclusive_ms", "failure_limit",
    "error_limit", "cooldown_ms", "by",
  ]
  private static let usualSteps: [JSON] = [1, 5, 25, 50, 100]

  var version: String
  var url: String?
  var steps: [Share]
  var rollout: Rollout
  var by: String

  init(_ json: JSON) throws {
    let fields = try Fields(json, at: "", known: Self.keys)
    version = try fields.text("version", most: 64)
    url = try fields.optionalText("url", most: 512)
    by = try fields.optionalText("by", most: 256) ?? ""
    let listed = try fields.list("steps", most: Rollout.stepLimit)
    steps = try (listed.isEmpty ? Self.usualSteps : listed).enumerated().map { place, step in
      guard let percent = step.double, let share = Share(percent: percent) else {
        throw fields.fault("steps/\(place)", "expected per cents, from 0 to 100")
      }
      return share
    }
    rollout = Rollout(
      id: 0, baseline: "", canary: version, steps: steps,
      everyMs: try fields.optionalInteger("every_ms", 1...31_536_000_000) ?? 300_000,
      metrics: try fields.texts("metrics", most: Rollout.metricLimit).map { try Metric($0) }, stepBeganMs: 0)
    rollout.minSamples = try fields.optionalInteger("min_samples", 0...1_000_000_000) ?? 100
    rollout.alpha = try fields.number("alpha", 1e-9...0.5) ?? 0.01
    rollout.inconclusiveMs = try fields.optionalInteger("inconclusive_ms") ?? 10 * rollout.everyMs
    rollout.failureLimit = try fields.optionalInteger("failure_limit", 1...1_000) ?? 3
    rollout.errorLimit = try fields.optionalInteger("error_limit", 1...1_000) ?? 5
    rollout.cooldownMs = try fields.optionalInteger("cooldown_ms") ?? 0
  }
}

// Each change makes the next state of this one, or says why it may not be made now.
extension RoutingState {
  private func refusal(_ words: String) -> RoleError { RoleError(.failedPrecondition, words) }

  func next(_ kind: Decision.Kind, by: String, why: String, numbers: JSON = .null, _ nowMs: Int64) -> RoutingState {
    var next = self
    next.version += 1
    next.transaction = ""
    next.timestampMs = max(0, nowMs)
    next.decision = Decision(
      kind, by: String(by.prefix(256)), why: Self.cut(why, Decision.whyLimit),
      numbers: numbers.description.utf8.count > Decision.numbersLimit ? .null : numbers)
    return next
  }

  /// The first of it, in whole characters.
  private static func cut(_ text: String, _ bytes: Int) -> String {
    var rest = text
    while rest.utf8.count > bytes { rest.removeLast() }
    return rest
  }

  func frozen(_ nowMs: Int64) -> FreezeWindow? { freeze.first { $0.holds(atMs: nowMs) } }

  func starting(_ request: StartRequest, _ nowMs: Int64) throws -> RoutingState {
    guard version > 0 else {
      throw refusal("there is no routing state yet: give the role an `initial` one, or set one")
    }
    if let rollout {
      throw refusal("\(rollout.canary) is being rolled out; promote or abort that first")
    }
    if let window = frozen(nowMs) { throw refusal("no rollout begins now: `\(window.text)` is frozen") }
    guard nowMs >= coolUntilMs else {
      throw refusal("it cools down after a rollback until \(Timestamp.text(coolUntilMs)); `set` changes shares by hand")
    }
    guard request.version != stable else { throw refusal("\(stable) is the stable version already") }
    guard let first = request.steps.first,
      request.steps.count < 2 || zip(request.steps, request.steps.dropFirst()).allSatisfy({ $0 < $1 })
    else { throw RoleError(.invalidArgument, "each step is larger than the one before", at: "/steps") }
    var next = next(
      .start, by: request.by,
      why: "\(request.version) in steps of \(request.steps.map(\.words).joined(separator: ", ")), "
        + "\(request.rollout.everyMs / 1000) s each", nowMs)
    if let place = next.releases.firstIndex(where: { $0.id == request.version }) {
      if let url = request.url { next.releases[place].url = url }
    } else {
      next.releases.append(Release(id: request.version, url: request.url, share: .none))
    }
    var rollout = request.rollout
    rollout.id = next.version
    rollout.baseline = stable
    rollout.stepBeganMs = max(0, nowMs)
    rollout.before = Dictionary(uniqueKeysWithValues: next.releases.map { ($0.id, $0.share.millionths) })
    next.canary = request.version
    next.rollout = rollout
    next.give(request.version, first, proportions: rollout.before)
    return next
  }

  private func running(_ what: String) throws -> Rollout {
    guard let rollout else { throw refusal("no rollout is under way, so there is nothing to \(what)") }
    return rollout
  }

  /// To the next step, or to the end behind the last.
  func advancing(_ kind: Decision.Kind, by: String, why: String, numbers: JSON, _ nowMs: Int64) throws -> RoutingState {
    var rollout = try running("go on with")
    guard !rollout.isLastStep else { return try finishing(.finish, by: by, why: why, numbers: numbers, nowMs) }
    rollout.step += 1
    var next = next(
      kind, by: by, why: "step \(rollout.step + 1) of \(rollout.steps.count), \(rollout.share.words): \(why)",
      numbers: numbers, nowMs)
    rollout.phase = .running
    rollout.stepBeganMs = max(0, nowMs)
    rollout.spentMs = 0
    next.rollout = rollout
    next.give(rollout.canary, rollout.share, proportions: rollout.before)
    return next
  }

  /// The canary becomes the stable version; at what share the last step says, or at 100 %.
  func finishing(_ kind: Decision.Kind, by: String, why: String, numbers: JSON = .null, _ nowMs: Int64) throws
    -> RoutingState
  {
    let rollout = try running("promote")
    var next = next(kind, by: by, why: why, numbers: numbers, nowMs)
    next.give(rollout.canary, kind == .promote ? .whole : rollout.steps.last!, proportions: rollout.before)
    next.stable = rollout.canary
    next.canary = nil
    next.rollout = nil
    return next
  }

  /// Everything as it was before; the canary keeps its place, without requests.
  func rollingBack(_ kind: Decision.Kind, by: String, why: String, numbers: JSON = .null, _ nowMs: Int64) throws
    -> RoutingState
  {
    let rollout = try running("abort")
    var next = next(kind, by: by, why: why, numbers: numbers, nowMs)
    next.give(
      rollout.canary, Share(millionths: rollout.before[rollout.canary] ?? 0), proportions: rollout.before)
    if next.releases.reduce(0, { $0 + $1.share.millionths }) != Share.whole.millionths {
      next.give(rollout.canary, .none, proportions: [stable: 1])
    }
    next.rollout = nil
    if kind == .rollback { next.coolUntilMs = max(0, nowMs) + rollout.cooldownMs }
    return next
  }

  func pausing(by: String, why: String, numbers: JSON = .null, spentMs: Int64, _ nowMs: Int64) throws -> RoutingState {
    var rollout = try running("pause")
    guard rollout.phase == .running else { throw refusal("it is paused already") }
    var next = next(.pause, by: by, why: why, numbers: numbers, nowMs)
    rollout.phase = .paused
    rollout.spentMs = max(0, spentMs)
    next.rollout = rollout
    return next
  }

  func resuming(by: String, why: String, _ nowMs: Int64) throws -> RoutingState {
    var rollout = try running("resume")
    guard rollout.phase == .paused else { throw refusal("it is not paused") }
    var next = next(.resume, by: by, why: why, nowMs)
    rollout.phase = .running
    // What it had waited for in vain counts anew.
    rollout.spentMs = min(rollout.spentMs, rollout.everyMs)
    rollout.stepBeganMs = max(0, nowMs)
    next.rollout = rollout
    return next
  }

  private static let settable = [
    "weights", "stable", "versions", "remove", "sticky", "match", "mirror", "freeze", "by", "why",
  ]

  /// What is given is changed, and all else stays: `weights` in per cent, `versions` with their URLs, and the rest.
  func setting(_ json: JSON, _ nowMs: Int64) throws -> RoutingState {
    let fields = try Fields(json, at: "", known: Self.settable)
    var next = next(
      .set, by: try fields.optionalText("by", most: 256) ?? "", why: try fields.optionalText("why") ?? "by hand", nowMs)
    if rollout != nil, fields["weights"] != nil || fields["stable"] != nil || fields["remove"] != nil {
      throw refusal("a rollout sets the shares now; pause and abort it, or promote it")
    }
    for (place, item) in try fields.list("versions", most: Self.versionLimit).enumerated() {
      let one = try Fields(item, at: "/versions/\(place)", known: ["id", "url", "weight"])
      let id = try one.text("id", most: 64), url = try one.optionalText("url", most: 512)
      guard Release.isName(id) else { throw one.fault("id", "`\(id)` is no name: letters, digits, `.`, `_` and `-`") }
      if let known = next.releases.firstIndex(where: { $0.id == id }) {
        next.releases[known].url = url
      } else {
        next.releases.append(Release(id: id, url: url, share: .none))
      }
      if let url { try Release.check(url, one) }
    }
    let removed = try fields.texts("remove", most: Self.versionLimit)
    for id in removed {
      guard next.share(of: id) == .none || fields["weights"] != nil else {
        throw refusal("\(id) still gets \(next.share(of: id).words) of all requests")
      }
      next.releases.removeAll { $0.id == id }
      if next.canary == id { next.canary = nil }
    }
    try next.setWeights(fields, of: json)
    if let stable = try fields.optionalText("stable", most: 64) { next.stable = stable }
    if next.stable.isEmpty, let first = next.releases.first { next.stable = first.id }
    if next.canary == next.stable { next.canary = nil }
    if let object = json.object {
      if object["sticky"] != nil {
        next.sticky = try fields.fields("sticky", known: ["header", "cookie", "source", "member"]).map(Sticky.init)
      }
      if object["mirror"] != nil {
        next.mirror = try fields.fields("mirror", known: ["url", "percent"]).map(Mirror.init)
      }
      if object["match"] != nil {
        next.rules = try fields.list("match", most: Self.ruleLimit).enumerated().map {
          try Rule($1, at: "/match/\($0)")
        }
      }
      if object["freeze"] != nil {
        next.freeze = try fields.texts("freeze", most: FreezeWindow.limit).map { try FreezeWindow($0) }
      }
    }
    if hasUpstreams, !next.hasUpstreams {
      throw refusal("the versions have URLs, and requests may be on their way there: a URL is changed, not taken away")
    }
    try next.check()
    return next
  }

  /// Per cents by id, in `weights` or with the versions; who is not named gets nothing, and they must add up to 100.
  private mutating func setWeights(_ fields: Fields, of json: JSON) throws {
    var weights = fields["weights"]?.object?.members.map { ($0.key, $0.value, "/weights/\($0.key)") } ?? []
    if let given = fields["weights"], given.object == nil {
      throw RoleError(.invalidArgument, "expected an object of per cents, got \(given.kind)", at: "/weights")
    }
    if weights.isEmpty {
      weights = (fields["versions"]?.array ?? []).enumerated().compactMap { place, one in
        guard let id = one["id"]?.string, let weight = one["weight"] else { return nil }
        return (id, weight, "/versions/\(place)/weight")
      }
    }
    guard !weights.isEmpty else {
      if releases.allSatisfy({ $0.share == .none }), let first = releases.indices.first {
        releases[first].share = .whole
      }
      return
    }
    for place in releases.indices { releases[place].share = .none }
    for (id, weight, place) in weights {
      guard let known = releases.firstIndex(where: { $0.id == id }) else {
        throw RoleError(
          .invalidArgument, "no version has the id `\(id)`; there are \(releases.map(\.id).joined(separator: ", "))",
          at: place)
      }
      guard let percent = weight.double, let share = Share(percent: percent) else {
        throw RoleError(.invalidArgument, "expected a per cent from 0 to 100", at: place)
      }
      releases[known].share = share
    }
  }
}
