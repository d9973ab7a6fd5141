internal import NodeKit

// Once a second, and what the node that leads does then.
extension CanaryNode {
  /// A state was taken on: whose counts and time it is.
  func followRollout(isNew: Bool) {
    let before = counting
    counting.follow(state.rollout)
    guard let rollout = state.rollout else {
      stepClock = ("", 0)
      measured = [:]
      lastVerdict = ""
      return
    }
    if before.rollout != counting.rollout || before.step != counting.step { measured = [:] }
    let step = "\(rollout.id)/\(rollout.step)/\(rollout.phase.rawValue)"
    guard step != stepClock.step else { return }
    // What was just agreed on begins now, whatever the clocks of other nodes say; what was read from the disk began
    // then.
    let passedMs = isNew ? 0 : min(max(0, wallMs - rollout.stepBeganMs), rollout.everyMs)
    stepClock = (step, now - passedMs * 1_000_000)
  }

  var elapsedMs: Int64 {
    guard let rollout = state.rollout else { return 0 }
    return rollout.spentMs + (rollout.phase == .running ? max(0, now - stepClock.since) / 1_000_000 : 0)
  }

  func note(_ tally: Tally, of id: String) { window[id, default: Tally()] += tally }

  func second() {
    guard isLoaded else { return }
    recent.add(window, mirror: mirrored)
    if let rollout = state.rollout { counting.close(window, rollout) }
    (window, mirrored) = ([:], MirrorTally())
    windowNumber += 1
    if leads {
      lead()
    } else if let leader, others[leader]?.isUp == true {
      try? context.peers.send(CanaryMessage.report(ownReport).bytes, to: leader)
    }
  }

  var ownReport: NodeReport {
    NodeReport(counting: counting, recent: recent.sum, mirror: recent.mirror, seconds: Int64(recent.seconds))
  }

  /// Of all nodes that tell this one.
  var allReports: [NodeReport] { [ownReport] + reports.sorted { $0.key < $1.key }.map(\.value) }

  private func lead() {
    guard !isProposing else { return }
    if state.version == 0 { return proposeInitial() }
    guard let rollout = state.rollout else { return }
    measure(rollout)
    let judge = judge(rollout)
    switch judge.verdict {
    case .hold(let why): lastVerdict = why
    case .fail(let why):
      lastVerdict = why
      carryOut("rolling back") {
        try $0.rollingBack(.rollback, by: context.nodeName, why: why, numbers: judge.numbers, wallMs)
      }
    case .pause(let why):
      lastVerdict = why
      guard rollout.phase == .running else { return }
      carryOut("pausing") {
        try $0.pausing(by: context.nodeName, why: why, numbers: judge.numbers, spentMs: elapsedMs, wallMs)
      }
    case .pass(let why):
      if rollout.phase == .paused {
        lastVerdict = "paused"
      } else if let window = state.frozen(wallMs) {
        lastVerdict = "it would go on, but `\(window.text)` is frozen"
      } else {
        lastVerdict = why
        carryOut("going on") {
          try $0.advancing(.step, by: context.nodeName, why: why, numbers: judge.numbers, wallMs)
        }
      }
    }
  }

  func judge(_ rollout: Rollout) -> Judge {
    Judge(
      rollout, Counting.sum(allReports.map(\.counting), for: rollout), measured: measured, elapsedMs: elapsedMs,
      hasBaseline: state.share(of: rollout.baseline) != .none)
  }

  private func proposeInitial() {
    guard let initial = settings.first, heard.count + 1 >= majority, newest == 0 else { return }
    carryOut("agreeing on the first state") { empty in
      var first = try empty.setting(initial, wallMs)
      first.decision = Decision(.initial, by: context.nodeName, why: "as the manifest of \(context.nodeName) says")
      return first
    }
  }

  /// Proposes what the leader has decided; if that fails, it decides anew a second later.
  private func carryOut(_ what: String, _ change: (RoutingState) throws -> RoutingState) {
    do {
      let next = try change(state)
      propose(next) { [self] result in
        switch result {
        case .success: if next.decision.kind == .rollback { measures?.rollbacks.add() }
        case .failure(let error): context.log.warning("\(what): \(error)")
        }
      }
    } catch { context.log.warning("\(what): \(error)") }
  }

  // MARK: Transactions

  /// Lets all nodes agree on a state that follows this node's; `done` comes when they have, or have not.
  func propose(_ new: RoutingState, then done: @escaping (Result<RoutingState, RoleError>) -> Void) {
    var next = new
    // `hostctl txn show` tells by it what the transaction was about.
    let number = String(context.random.next() & 0xFFFF_FFFF, radix: 16)
    next.transaction = "canary-\(next.version)-\(context.nodeID)-\(number)"
    let proposal: JSON = [
      "id": .string(next.transaction), "need": "majority", "wait": "applied",
      "timeout_ms": JSON(settings.changeTimeoutMs),
      "changes": [
        [
          "resource": .string(context.roleName), "key": .string(Self.key),
          "change": ["if_version": .int(next.version - 1), "state": next.json],
        ]
      ],
    ]
    guard next.bytes.count <= RoutingState.byteLimit else {
      return done(
        .failure(RoleError(.resourceExhausted, "the state would be larger than \(RoutingState.byteLimit) bytes")))
    }
    isProposing = true
    func end(_ result: Result<RoutingState, RoleError>) {
      isProposing = false
      if case .success = result { measures?.decisions.add() }
      done(result)
    }
    do {
      try context.roles.call(
        settings.coordinator, "propose", proposal, timeout: .milliseconds(settings.changeTimeoutMs + 1_000)
      ) { (answer: Result<JSON, RoleError>) in
        switch answer {
        case .success(let outcome) where outcome["outcome"]?.string == "COMMIT": end(.success(next))
        case .success(let outcome):
          end(.failure(RoleError(.aborted, Self.reason(outcome))))
        case .failure(let error): end(.failure(error))
        }
      }
    } catch { end(.failure(RoleError(error))) }
  }

  private static func reason(_ outcome: JSON) -> String {
    let votes = (outcome["votes"]?.object?.members ?? []).compactMap { member -> String? in
      guard let vote = member.value.string, vote != "yes" else { return nil }
      return "node \(member.key): \(vote)"
    }
    let words = outcome["reason"]?.string ?? votes.joined(separator: "; ")
    return words.isEmpty ? "the nodes did not agree" : words
  }

  // MARK: Metrics from elsewhere

  private func measure(_ rollout: Rollout) {
    if let lastMeasured, now - lastMeasured < Int64(settings.measureMs) * 1_000_000 { return }
    lastMeasured = now
    for metric in rollout.metrics {
      switch metric.kind {
      case .proportion: break
      case .prometheus(let url, let query, let isBelow, let limit):
        ask(metric, "GET", "\(url)/api/v1/query?query=\(Self.escaped(query))", [UInt8]()) { answer in
          let value = try Self.prometheusValue(answer)
          return (isBelow ? value < limit : value > limit, value)
        }
      case .webhook(let url): ask(metric, "POST", url, status(here: true).payload) { _ in (true, nil) }
      }
    }
  }

  private func ask(
    _ metric: Metric, _ method: String, _ url: String, _ body: [UInt8],
    _ read: @escaping (HTTPAnswer) throws -> (isGood: Bool, value: Double?)
  ) {
    let step = stepClock.step
    let note = { [self] (change: (inout Measurement) -> Void) in
      guard stepClock.step == step else { return }
      change(&measured[metric.text, default: Measurement()])
    }
    do {
      let headers: HTTPHeaders = body.isEmpty ? [] : ["content-type": "application/json"]
      try context.client.request(method, url, headers: headers, body: body, timeout: .seconds(5), retries: 1) {
        result in
        do {
          let answer = try result.get()
          if case .webhook = metric.kind, (400..<500).contains(answer.status) {
            return note { $0.note(isGood: false, value: nil) }
          }
          guard answer.isSuccess else { throw RoleError(.unavailable, "\(url) answers with \(answer.status)") }
          let (isGood, value) = try read(answer)
          note { $0.note(isGood: isGood, value: value) }
        } catch { note { $0.note(error: "\(error)") } }
      }
    } catch { note { $0.note(error: "\(error)") } }
  }

  /// {"data": {"resultType": "vector", "result": [{"value": [TIME, "VALUE"]}]}}, or "scalar" with the pair alone.
  private static func prometheusValue(_ answer: HTTPAnswer) throws -> Double {
    let data = try answer.json()["data"]
    let result = data?["result"]
    let pair = data?["resultType"]?.string == "scalar" ? result : result?[0]?["value"]
    guard let text = pair?[1]?.string, let value = Double(text), value.isFinite else {
      throw RoleError(.notFound, "the query has no value now")
    }
    return value
  }

  private static func escaped(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var bytes: [UInt8] = []
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
        bytes.append(byte)
      default: bytes += [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }
}
