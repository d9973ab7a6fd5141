package import NodeSchema
package import NodeValues

extension ManifestRole {
  /// The role's configuration with all defaults in it, or everything that its plugin's schema refuses, each fault where
  /// it stands in the manifest.
  package func configuration(for schema: JSONSchema) throws(ManifestProblems) -> JSON {
    let written = config?.json(SchemaPlace(schema)) ?? .object(JSONObject())
    let (filled, faults) = schema.check(written)
    guard !faults.isEmpty else { return filled }
    let log = FaultLog()
    for fault in faults { log.add(located(fault)) }
    throw ManifestProblems(log, in: places.sources)
  }

  private func located(_ fault: SchemaFault) -> Fault {
    let node = config?.at(fault.path)
    let place = node?.place ?? self.place(of: .config)
    let name = fault.path.isEmpty ? "config" : YamlNode.name(of: fault.path)
    switch fault.problem {
    case .value(let expected):
      let shown = fault.isSecret ? "not what it should be" : node?.shown ?? "missing"
      var located = Fault("`\(name)` is \(shown)", at: place, expected: .described(expected))
      located.isSecret = fault.isSecret
      return located
    case .missing(let key, let expected):
      return Fault("`\(name)` lacks the key `\(key)`", at: place, expected: .described(expected))
    case .unknown(let key, let known):
      let place = config?.at(fault.path)?.mapping?.entries.first { $0.key.text == key }?.key.place ?? place
      if known.isEmpty {
        return Fault(
          "unknown key `\(key)`", at: place, expected: .described("nothing: `\(role)` takes no configuration"))
      }
      return Fault("unknown key `\(key)`", at: place, expected: .oneOf(known), word: key)
    }
  }
}

extension YamlNode {
  /// The node as JSON, by YAML's own rules.
  package var json: JSON {
    switch content {
    case .scalar(let scalar): scalar.typed ?? .string(scalar.text)
    case .list(let items): .array(items.map(\.json))
    case .mapping(let mapping): .object(JSONObject(mapping.entries.map { ($0.key.text, $0.value.json) }))
    }
  }

  /// The node as JSON. Where the schema leaves no doubt, it decides what a scalar is: a password of digits is text, and
  /// `"${PORT}"` is a number.
  func json(_ place: SchemaPlace) -> JSON {
    switch content {
    case .scalar(let scalar): scalar.json(place)
    case .list(let items): .array(items.enumerated().map { $0.element.json(place.item($0.offset)) })
    case .mapping(let mapping):
      .object(JSONObject(mapping.entries.map { ($0.key.text, $0.value.json(place.member($0.key.text))) }))
    }
  }

  fileprivate func at(_ path: [SchemaFault.Step]) -> YamlNode? {
    var node = self
    for step in path {
      let inner: YamlNode?
      switch step {
      case .key(let name): inner = node[name]
      case .index(let index): inner = node.list.flatMap { $0.indices.contains(index) ? $0[index] : nil }
      }
      guard let inner else { return nil }
      node = inner
    }
    return node
  }

  /// As `--set` has it: `upstreams[2].weight`.
  fileprivate static func name(of path: [SchemaFault.Step]) -> String {
    var name = ""
    for step in path {
      switch step {
      case .key(let key): name += name.isEmpty ? key : ".\(key)"
      case .index(let index): name += "[\(index)]"
      }
    }
    return name
  }
}

extension YamlScalar {
  fileprivate func json(_ place: SchemaPlace) -> JSON {
    let typed = self.typed ?? .string(text)
    // JSON has no infinity.
    if typed.double?.isFinite ?? true, place.mayBe(typed) { return typed }
    if isExpanded, tag != .str, place.mayBe(Self.core(text)) { return Self.core(text) }
    if let truth, place.mayBe(.bool(truth)) { return .bool(truth) }
    let isNothing = typed == .null && !isExpanded
    return !isNothing && place.mayBe(.string(text)) ? .string(text) : typed
  }
}
