/// The list of roles.
extension ManifestDecoder {
  private static let roleKeys = [
    "role", "name", "plugin", "isolation", "needs", "restart", "limits", "cold_start", "config",
  ]

  func roles(_ node: YamlNode?) -> [ManifestRole] {
    guard let node, !node.isNull else { return [] }
    guard let items = node.list else {
      log.add(
        "`roles` is \(node.kind)", at: node.place, expected: .described("a list: `- { role: gateway }` and so on"))
      return []
    }
    guard items.count <= ManifestLimits.roles else {
      log.add("there are more than \(ManifestLimits.roles) roles", at: node.place)
      return []
    }
    var graph = RoleGraph(log: log)
    let roles = items.enumerated().compactMap { role($0.element, at: $0.offset, &graph) }
    graph.check()
    return roles
  }

  private func role(_ node: YamlNode, at index: Int, _ graph: inout RoleGraph) -> ManifestRole? {
    let title = "roles[\(index)]"
    let section = ManifestSection(node, named: title, keys: Self.roleKeys, at: node.place, log: log)
    if section["role"] == nil { section.missing("role", expected: "the role's kind, such as `role: gateway`") }
    let kind = section.identifier("role")
    let name = section["name"] == nil ? kind : section.identifier("name")
    let needs = section.texts("needs")
    if let name { graph.add(name, at: section["name"]?.place ?? section["role"]?.place ?? node.place, needs: needs) }
    let plugin = section["plugin"] == nil ? kind : self.plugin(section)
    let restart = restart(section["restart"], "\(title).restart", at: node.place)
    let limits = limits(section["limits"], "\(title).limits", at: node.place)
    let isolation = isolation(section)
    let coldStart = section.truth("cold_start") ?? false
    checkConfig(section)
    guard let kind, let name, let plugin else { return nil }
    return ManifestRole(
      role: kind, name: name, plugin: plugin, isolation: isolation, needs: needs.map(\.text), restart: restart,
      limits: limits, coldStart: coldStart, config: section["config"].flatMap { $0.isNull ? nil : $0 },
      places: places(of: node))
  }

  private func places(of node: YamlNode) -> RolePlaces {
    var places = RolePlaces(whole: node.place, parts: [:], sources: sources)
    for entry in node.mapping?.entries ?? [] {
      if let part = RolePlaces.Part(rawValue: entry.key.text) { places.parts[part] = entry.value.place }
    }
    return places
  }

  private func plugin(_ section: ManifestSection) -> String? {
    guard let text = section.text("plugin"), let node = section["plugin"] else { return nil }
    if ManifestSection.isName(text) { return text }
    section.wrong(node, "plugin", expected: "a plugin's name; its folder belongs into `plugins.folders`")
    return nil
  }

  private func checkConfig(_ section: ManifestSection) {
    guard let node = section["config"], node.mapping == nil, !node.isNull else { return }
    log.add("`config` is \(node.kind)", at: node.place, expected: .described("a mapping"))
  }

  private func isolation(_ section: ManifestSection) -> Isolation {
    let words = ["inproc", "worker", "group:NAME"]
    guard let node = section["isolation"] else { return .inProcess }
    let text = node.scalar?.text ?? ""
    let group = text.hasPrefix("group:") ? String(text.dropFirst("group:".count)) : nil
    switch text {
    case "inproc": return .inProcess
    case "worker": break
    case _ where group.map(ManifestSection.isName) == true: break
    default:
      log.add("`isolation` is \(node.shown)", at: node.place, expected: .oneOf(words), word: node.scalar?.shown)
      return .inProcess
    }
    log.add(
      "`isolation` is \(node.shown), which is not possible: this host runs roles in its own process", at: node.place,
      expected: .described("`isolation: inproc`, or nothing"))
    return group.map { .group($0) } ?? .worker
  }

  private func restart(_ node: YamlNode?, _ name: String, at place: SourcePlace) -> RestartSettings {
    let keys = ["policy", "backoff_ms", "backoff_limit_ms", "limit"]
    let section = ManifestSection(node, named: name, keys: keys, at: place, log: log)
    var policy = RestartSettings()
    policy.when = section.word("policy", RestartSettings.When.self) ?? policy.when
    let range = ManifestLimits.milliseconds
    policy.backoffMilliseconds = section.integer("backoff_ms", in: range) ?? policy.backoffMilliseconds
    let limit = section.integer("backoff_limit_ms", in: range)
    policy.backoffLimitMilliseconds = limit ?? max(policy.backoffLimitMilliseconds, policy.backoffMilliseconds)
    if let limit, let node = section["backoff_limit_ms"], limit < policy.backoffMilliseconds {
      let least = "at least `backoff_ms`, \(policy.backoffMilliseconds)"
      log.add("`backoff_limit_ms` is \(node.shown)", at: node.place, expected: .described(least))
    }
    policy.limit = section.integer("limit", in: ManifestLimits.restarts) ?? policy.limit
    return policy
  }

  private func limits(_ node: YamlNode?, _ name: String, at place: SourcePlace) -> LimitSettings {
    let keys = [
      "queue", "calls", "message_bytes", "drain_ms", "call_timeout_ms", "start_ms", "swap_ms", "probation_ms",
    ]
    let section = ManifestSection(node, named: name, keys: keys, at: place, log: log)
    var limits = LimitSettings()
    limits.queue = section.integer("queue", in: ManifestLimits.queue) ?? limits.queue
    limits.calls = section.integer("calls", in: ManifestLimits.calls) ?? limits.calls
    limits.messageBytes = section.integer("message_bytes", in: ManifestLimits.messageBytes) ?? limits.messageBytes
    let range = ManifestLimits.milliseconds
    limits.drainMilliseconds = section.integer("drain_ms", in: range) ?? limits.drainMilliseconds
    // A call or a start that may take no time at all could never succeed.
    let atLeastOne = 1...range.upperBound
    limits.callTimeoutMilliseconds =
      section.integer("call_timeout_ms", in: atLeastOne) ?? limits.callTimeoutMilliseconds
    limits.swapMilliseconds = section.integer("swap_ms", in: range) ?? limits.swapMilliseconds
    limits.probationMilliseconds = section.integer("probation_ms", in: range) ?? limits.probationMilliseconds
    limits.startMilliseconds = section.integer("start_ms", in: atLeastOne) ?? limits.startMilliseconds
    return limits
  }
}
