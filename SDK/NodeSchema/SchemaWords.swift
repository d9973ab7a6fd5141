import NodeValues

/// What rules ask for, in words that stand after "expected".
extension [Rule] {
  /// How deep into references and alternatives the words go.
  private static var wordyDepth: Int { 4 }

  func expectation(of index: Int, withDescription: Bool = false, depth: Int = 0) -> String {
    let rule = self[index]
    if rule.isNever { return "nothing here" }
    var words = rule.words
    if words == nil, depth < Self.wordyDepth {
      if let other = rule.reference ?? rule.allOf.first {
        words = expectation(of: other, depth: depth + 1)
      } else if !rule.anyOf.isEmpty || !rule.oneOf.isEmpty {
        words = expectations(of: rule.anyOf + rule.oneOf, depth: depth + 1)
      }
    }
    let text = words ?? "something else"
    guard withDescription, let description = rule.description, !description.isEmpty else { return text }
    return "\(text): \(description)"
  }

  func expectations(of indices: [Int], depth: Int = 0) -> String {
    var seen: [String] = []
    for index in indices {
      let words = expectation(of: index, depth: depth)
      if !seen.contains(words) { seen.append(words) }
    }
    return seen.joined(separator: ", or ")
  }

  /// The default of a rule, or of the rule that it refers to.
  func defaultValue(of index: Int) -> JSON? {
    var index = index
    // The reader has refused references in a circle.
    while self[index].defaultValue == nil, let next = self[index].reference { index = next }
    return self[index].defaultValue
  }
}

extension Rule {
  /// Nil if the rule itself asks nothing.
  fileprivate var words: String? {
    if let choices {
      let list = choices.map(\.description).joined(separator: ", ")
      return choices.count == 1 ? list : "one of: \(list)"
    }
    let kinds = types ?? kindOfLimits
    guard !kinds.isEmpty else { return nil }
    return kinds.map(words).joined(separator: " or ")
  }

  /// The kind of value that the rule's limits speak of.
  private var kindOfLimits: [Kind] {
    if minimum ?? maximum ?? exclusiveMinimum ?? exclusiveMaximum ?? multipleOf != nil { return [.number] }
    if minLength != nil || maxLength != nil || pattern != nil { return [.string] }
    if minItems != nil || maxItems != nil || uniqueItems || contains != nil { return [.array] }
    if minProperties != nil || maxProperties != nil || !properties.isEmpty || !required.isEmpty { return [.object] }
    return []
  }

  private func words(of kind: Kind) -> String {
    switch kind {
    case .null: "null"
    case .boolean: "true or false"
    case .integer: "a whole number" + range
    case .number: "a number" + range
    case .string: "text" + counted(minLength, maxLength, "character") + (pattern.map { " matching \($0.text)" } ?? "")
    case .array: "a list" + counted(minItems, maxItems, "item") + (uniqueItems ? " without repetition" : "")
    case .object: "a mapping" + counted(minProperties, maxProperties, "member")
    }
  }

  private var range: String {
    var words = ""
    if let minimum, let maximum {
      words = " from \(minimum) to \(maximum)"
    } else if let minimum {
      words = " from \(minimum)"
    } else if let maximum {
      words = " up to \(maximum)"
    }
    if let exclusiveMinimum { words += " above \(exclusiveMinimum)" }
    if let exclusiveMaximum { words += " below \(exclusiveMaximum)" }
    if let multipleOf { words += ", a multiple of \(multipleOf)" }
    return words
  }

  private func counted(_ least: Int?, _ most: Int?, _ unit: String) -> String {
    switch (least, most) {
    case (nil, nil), (0?, nil): return ""
    case (let least?, let most?) where least == most: return " of \(least) \(unit)\(least == 1 ? "" : "s")"
    case (let least?, let most?) where least > 0: return " of \(least) to \(most) \(unit)s"
    case (_, let most?): return " of at most \(most) \(unit)\(most == 1 ? "" : "s")"
    case (let least?, nil): return " of at least \(least) \(unit)\(least == 1 ? "" : "s")"
    }
  }
}
