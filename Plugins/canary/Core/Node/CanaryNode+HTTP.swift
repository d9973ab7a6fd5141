internal import NodeKit

// What is answered by HTTP, and the tables by which the host forwards requests itself.
extension CanaryNode {
  private static let bodyLimit = 1 << 20

  func addRoutes() throws {
    let http = context.http, listener = settings.listener
    try http.route("GET", "/routing/state", listener: listener) { [self] in try $0.answer(json: wireState) }
    try http.route("GET", "/health/snapshot", listener: listener) { [self] in try $0.answer(json: snapshot) }
    try http.route("POST", "/report", listener: listener) { [self] request in
      request.collectBody(limit: 4_096) { [self] body in
        try request.answer(json: try report(JSON(payload: body)))
      }
    }
    if !state.hasUpstreams { try addPredictRoute() }
  }

  private func addPredictRoute() throws {
    predictRoute = try context.http.route("POST", "/predict", listener: settings.listener) { [unowned self] in
      predict($0)
    }
  }

  private func predict(_ request: HTTPRequest) {
    // By what the head says before the body is there, so that no copy of it need be kept.
    let readsBody = predictor.readsBody
    let early = readsBody ? nil : predictor.choose(request)
    let version = state.version
    request.collectBody(limit: Self.bodyLimit, keepingHead: readsBody) { [unowned self] body in
      try body.withUnsafeBytes { body in
        // A state that came meanwhile may know other versions.
        let chosen = version == state.version && !readsBody ? early : predictor.choose(request, body)
        guard let place = chosen else {
          return try request.answer(
            503, ["retry-after": "1"], json: ["error": "the nodes have not agreed on a state yet"])
        }
        try request.answer(type: "application/json", predictor.answer(place, body))
      }
    }
  }

  private var wireState: JSON {
    var object = Predictor.wire(state).object!
    object["digest"] = .string(digest)
    object["node_id"] = .string(context.nodeName)
    object["stale"] = .bool(isStale)
    if let rollout = state.rollout {
      object["rollout"] = [
        "version": .string(rollout.canary), "step": .int(Int64(rollout.step + 1)),
        "steps": .array(rollout.steps.map { .double($0.fraction) }), "phase": .string(rollout.phase.rawValue),
      ]
    }
    return .object(object)
  }

  private var snapshot: JSON {
    let tally = recent.all
    return [
      "node_id": .string(context.nodeName), "p95": .double(tally.percentile(0.95) ?? 0),
      "error_rate": .double(tally.errorRate), "window_id": .int(windowNumber),
      "last_committed_version": .int(state.version), "digest": .string(digest),
      "requests": .int(tally.requests), "stale": .bool(isStale),
    ]
  }

  // MARK: Forward tables

  /// Brings the host's tables in line with the state.
  func putTables() {
    guard state.hasUpstreams else { return }
    predictRoute?.remove()
    predictRoute = nil
    do {
      for prefix in settings.routes {
        let table = table(prefix)
        if let known = tables[prefix] {
          try known.replace(with: table)
        } else {
          tables[prefix] = try context.http.forward(table) { [unowned self] in counted($0) }
        }
      }
      tableFault = nil
    } catch {
      tableFault = "the state \(state.version) is not at work, since the host refuses its forward table: \(error)"
      context.log.error(tableFault!)
    }
  }

  private func table(_ prefix: String) -> JSON {
    var table = settings.forward.object ?? JSONObject()
    table["listener"] = .string(settings.listener)
    table["prefix"] = .string(prefix)
    table["upstreams"] = .array(
      state.releases.map {
        ["id": .string($0.id), "url": .string($0.url ?? ""), "weight": .int(Int64($0.share.millionths))]
      })
    if let sticky = state.sticky { table["sticky"] = sticky.json }
    if !state.rules.isEmpty {
      table["match"] = .array(
        state.rules.map { rule in
          var object = rule.json.object ?? JSONObject()
          object["versions"] = nil
          object["upstreams"] = .array(rule.versions.map { .string($0) })
          return .object(object)
        })
    }
    if let mirror = state.mirror { table["mirror"] = mirror.json }
    if !settings.header.isEmpty { table["name_header"] = .string(settings.header) }
    return .object(table)
  }

  /// What a table has counted in a second.
  private func counted(_ counts: JSON) {
    for upstream in counts["upstreams"]?.array ?? [] {
      if let id = upstream["id"]?.string { note(Tally(counted: upstream), of: id) }
    }
    if let copies = counts["mirror"] { mirrored += MirrorTally(counted: copies) }
  }
}
