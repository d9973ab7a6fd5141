public import NodeValues

/// A place in a schema, with every rule that may speak about the values there: for a reader that has to know which kind
/// of value is wanted before it has one, as YAML's has.
public struct SchemaPlace: Sendable {
  private let schema: JSONSchema
  private let indices: [Int]

  public init(_ schema: JSONSchema) {
    self.init(schema, from: [0])
  }

  private init(_ schema: JSONSchema, from start: [Int]) {
    self.schema = schema
    var found: [Int] = []
    var open = start
    while let index = open.popLast() {
      guard !found.contains(index) else { continue }
      found.append(index)
      let rule = schema.rules[index]
      open += [rule.reference, rule.then, rule.otherwise].compactMap { $0 } + rule.allOf + rule.anyOf + rule.oneOf
    }
    indices = found
  }

  public func member(_ name: String) -> SchemaPlace {
    inner { rule in
      if let index = rule.property(name) { return [index] }
      let matching = rule.patternProperties.filter { $0.pattern.matches(name) }.map(\.rule)
      return matching.isEmpty ? [rule.additionalProperties].compactMap { $0 } : matching
    }
  }

  public func item(_ number: Int) -> SchemaPlace {
    inner { rule in
      [number < rule.prefixItems.count ? rule.prefixItems[number] : rule.items].compactMap { $0 }
    }
  }

  private func inner(_ parts: (Rule) -> [Int]) -> SchemaPlace {
    SchemaPlace(schema, from: indices.flatMap { parts(schema.rules[$0]) })
  }

  public var isSecret: Bool { indices.contains { schema.rules[$0].isSecret } }

  /// Whether a value of this kind may stand here, as far as its kind goes.
  public func mayBe(_ value: JSON) -> Bool {
    let kinds = indices.compactMap { index -> [Rule.Kind]? in
      let rule = schema.rules[index]
      return rule.types ?? rule.choices.map { $0.map(\.schemaKind) }
    }
    return kinds.isEmpty || kinds.contains { $0.contains { $0.includes(value) } }
  }
}

extension JSON {
  fileprivate var schemaKind: Rule.Kind {
    switch self {
    case .null: .null
    case .bool: .boolean
    case .int, .unsigned: .integer
    case .double: .number
    case .string: .string
    case .array: .array
    case .object: .object
    }
  }
}
