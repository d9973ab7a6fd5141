public import NodeKit

// What others ask of the node: `hostctl canary`, and programs.
extension CanaryNode {
  private static let tries = 3

  // MARK: Changes

  public func start(_ request: JSON, _ reply: Reply<JSON>) throws {
    let request = try StartRequest(request)
    change(reply) { [self] in try $0.starting(request, wallMs) }
  }

  public func promote(_ request: JSON, _ reply: Reply<JSON>) throws {
    let (by, why, all) = try Self.wish(request)
    change(reply) { [self] state in
      if all { return try state.finishing(.promote, by: by, why: why ?? "promoted by hand", wallMs) }
      let rollout = judge(try state.rollout ?? Self.nothing())
      return try state.advancing(.promote, by: by, why: why ?? "promoted by hand", numbers: rollout.numbers, wallMs)
    }
  }

  private static func nothing() throws -> Rollout {
    throw RoleError(.failedPrecondition, "no rollout is under way, so there is nothing to promote")
  }

  public func pause(_ request: JSON, _ reply: Reply<JSON>) throws {
    let (by, why, _) = try Self.wish(request)
    change(reply) { [self] in
      try $0.pausing(by: by, why: why ?? "paused by hand", spentMs: elapsedMs, wallMs)
    }
  }

  public func resume(_ request: JSON, _ reply: Reply<JSON>) throws {
    let (by, why, _) = try Self.wish(request)
    change(reply) { [self] in try $0.resuming(by: by, why: why ?? "resumed by hand", wallMs) }
  }

  public func giveUp(_ request: JSON, _ reply: Reply<JSON>) throws {
    let (by, why, _) = try Self.wish(request)
    change(reply) { [self] in try $0.rollingBack(.abort, by: by, why: why ?? "aborted by hand", wallMs) }
  }

  public func set(_ request: JSON, _ reply: Reply<JSON>) {
    change(reply) { [self] in try $0.setting(request, wallMs) }
  }

  private static func wish(_ json: JSON) throws -> (by: String, why: String?, all: Bool) {
    let fields = try Fields(json, at: "", known: ["by", "why", "all"])
    return (
      try fields.optionalText("by", most: 256) ?? "", try fields.optionalText("why", most: Decision.whyLimit),
      fields["all"] == .bool(true)
    )
  }

  /// Makes the next state and lets the nodes agree on it; if another change came before, once more with what that has
  /// made.
  private func change(
    _ reply: Reply<JSON>, tries: Int = CanaryNode.tries, _ make: @escaping (RoutingState) throws -> RoutingState
  ) {
    do {
      guard isLoaded, heard.count + 1 >= majority else {
        throw RoleError(
          .unavailable,
          "\(context.nodeName) has heard from \(heard.count + 1) of \(others.count + 1) nodes, itself among them; "
            + "a change takes \(majority)"
        )
      }
      guard !isProposing else { throw RoleError(.aborted, "another change is under way") }
      let basis = state.version
      propose(try make(state)) { [self] result in
        switch result {
        case .success(let new): reply.send(Self.answer(new))
        // Another one of the same number: what it has made may be on its way here.
        case .failure(let error)
        where error.status == .aborted && tries > 1 && (newest > basis || state.version > basis):
          again(reply, tries, make)
        case .failure(let error): reply.fail(error)
        }
      }
    } catch let error as RoleError where error.status == .aborted && tries > 1 {
      again(reply, tries, make)
    } catch { reply.fail(error) }
  }

  private func again(
    _ reply: Reply<JSON>, _ tries: Int, _ make: @escaping (RoutingState) throws -> RoutingState
  ) {
    do {
      try context.timer.once(after: .milliseconds(300)) { [self] in change(reply, tries: tries - 1, make) }
    } catch { reply.fail(error) }
  }

  private static func answer(_ state: RoutingState) -> JSON {
    [
      "version": .int(state.version), "txid": .string(state.transaction), "why": .string(state.decision.why),
      "kind": .string(state.decision.kind.rawValue),
      "shares": .object(JSONObject(state.releases.map { ($0.id, .double($0.share.percent)) })),
    ]
  }

  // MARK: What is

  /// As the node that leads sees it, which knows the counts of all; else as this one does.
  public func status(_ reply: Reply<JSON>) {
    guard !leads, let leader, let other = others[leader], other.isUp else { return reply.send(status(here: true)) }
    do {
      try context.roles.call(context.roleName, "status_here", node: other.name, timeout: .seconds(2)) {
        [self] (answer: Result<JSON, RoleError>) in
        reply.send((try? answer.get()) ?? status(here: true))
      }
    } catch { reply.send(status(here: true)) }
  }

  public func status(here: Bool) -> JSON {
    let all = allReports
    var recent: [String: Tally] = [:]
    for report in all { for (id, tally) in report.recent { recent[id, default: Tally()] += tally } }
    let seconds = Double(max(1, all.map(\.seconds).max() ?? 1))
    let versions = state.releases.map { release -> JSON in
      let tally = recent[release.id] ?? Tally()
      return .sparse(
        [
          ("id", .string(release.id)), ("url", release.url.map { .string($0) } ?? .null),
          ("share", .double(release.share.percent)),
          ("per_second", .double((Double(tally.requests) / seconds * 100).rounded() / 100)),
          ("requests", .int(tally.requests)), ("failures", .int(tally.failures)),
        ] + Self.latencies(tally))
    }
    let coolUntil: JSON = state.coolUntilMs > wallMs ? .int(state.coolUntilMs) : .null
    let problem: JSON = (disagreement ?? tableFault).map { .string($0) } ?? .null
    var pairs: [(String, JSON)] = [
      ("node", .string(context.nodeName)), ("leader", leader.map { JSON($0) } ?? .null), ("leads", .bool(leads)),
      ("version", .int(state.version)), ("txid", .string(state.transaction)), ("digest", .string(digest)),
      ("stale", .bool(isStale)), ("stable", .string(state.stable)),
      ("canary", state.canary.map { .string($0) } ?? .null), ("versions", .array(versions)),
    ]
    pairs += [
      ("sticky", state.sticky?.json ?? .null), ("freeze", .array(state.freeze.map { .string($0.text) })),
      ("frozen", .bool(state.frozen(wallMs) != nil)), ("cool_until_ms", coolUntil),
      ("rollout", state.rollout.map(statusOfRollout) ?? .null), ("last", state.historyEntry), ("problem", problem),
      ("nodes", .array(nodes)), ("mirror", statusOfMirror(all)),
    ]
    return .sparse(pairs)
  }

  private static func latencies(_ tally: Tally) -> [(String, JSON)] {
    [("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99)].map { name, part in
      (name, tally.percentile(part).map { .double(($0 * 100).rounded() / 100) } ?? .null)
    }
  }

  /// The last minute's copies beside the originals.
  private func statusOfMirror(_ reports: [NodeReport]) -> JSON {
    guard let mirror = state.mirror else { return .null }
    let sum = reports.reduce(into: MirrorTally()) { $0 += $1.mirror }
    return [
      "url": .string(mirror.url), "percent": .double(mirror.percent), "requests": .int(sum.copies.requests),
      "failures": .int(sum.copies.failures), "compared": .int(sum.originals.requests),
      "differing": .int(sum.differing), "slower": .int(sum.slower),
      "copies": .sparse(Self.latencies(sum.copies)), "originals": .sparse(Self.latencies(sum.originals)),
    ]
  }

  /// The state that each node has said it serves.
  private var nodes: [JSON] {
    let own: JSON = [
      "id": JSON(context.nodeID), "name": .string(context.nodeName), "version": .int(state.version), "up": true,
    ]
    let all = others.values.map { node -> JSON in
      let version: JSON = heard[node.id].map { .int($0.version) } ?? .null
      return ["id": JSON(node.id), "name": .string(node.name), "version": version, "up": .bool(node.isUp)]
    }
    return ([own] + all).sorted { ($0["id"]?.int ?? 0) < ($1["id"]?.int ?? 0) }
  }

  private func statusOfRollout(_ rollout: Rollout) -> JSON {
    let judge = judge(rollout)
    return [
      "canary": .string(rollout.canary), "baseline": .string(rollout.baseline),
      "phase": .string(rollout.phase.rawValue),
      "step": .int(Int64(rollout.step + 1)), "steps": .array(rollout.steps.map { .double($0.percent) }),
      "elapsed_ms": .int(elapsedMs), "every_ms": .int(rollout.everyMs), "alpha": .double(rollout.alpha),
      "min_samples": .int(rollout.minSamples), "metrics": judge.numbers,
      "verdict": .string(
        rollout.phase == .paused && lastVerdict.isEmpty ? "paused: \(state.decision.why)" : lastVerdict),
    ]
  }

  /// The latest decisions, the newest first.
  public func history(_ limit: Int, _ reply: Reply<JSON>) throws {
    guard (1...10_000).contains(limit) else {
      throw RoleError(.invalidArgument, "limit is \(limit), and goes from 1 to 10000")
    }
    var entries: [JSON] = []
    let from = max(0, state.version - Int64(limit)) + 1
    try context.store.scan(from: Self.historyKey(from), to: StoreKey.end(ofPrefix: Self.historyPrefix.payload)) {
      (stored: Stored<JSON>) in
      entries.append(stored.value)
    } then: { result in
      if case .failure(let error) = result { return reply.fail(error) }
      reply.send(["decisions": .array(entries.reversed())])
    }
  }

  public func current() -> JSON { state.json }

  /// What a version has done, from whoever knows where this node only decides: {version, ok, latency_ms}.
  public func report(_ json: JSON) throws -> JSON {
    let fields = try Fields(json, at: "", known: ["version", "ok", "latency_ms"])
    let id = try fields.text("version", most: 64)
    guard state.release(id) != nil else {
      throw RoleError(.notFound, "there is no version `\(id)`", at: "/version")
    }
    guard let isGood = fields["ok"]?.bool else { throw fields.fault("ok", "expected true or false") }
    let latency = try fields.number("latency_ms", 0...86_400_000)
    window[id, default: Tally()].note(isGood: isGood, microseconds: latency.map { Int64($0 * 1_000) })
    return [:]
  }

  // MARK: From one build to the next

  public func saved() -> JSON {
    // Those that wait for a state to reach the disk are told by the next build, which has it from there.
    ["state": state.version == 0 ? .null : state.json, "counting": counting.json, "spent_ms": .int(elapsedMs)]
  }

  public func restore(_ saved: JSON) throws {
    guard let json = saved["state"], json != .null else { return }
    let known = try RoutingState(json)
    counting = try Counting(saved["counting"] ?? .null, at: "/counting")
    inherited = (known, saved["spent_ms"]?.int ?? 0)
  }
}
