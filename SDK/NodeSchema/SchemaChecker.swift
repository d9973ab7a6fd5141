public import NodeValues

extension JSONSchema {
  /// The value with all defaults filled in, and everything that is wrong with it.
  public func check(_ value: JSON) -> (value: JSON, faults: [SchemaFault]) { check(value, 0) }

  func check(_ value: JSON, _ rule: Int) -> (value: JSON, faults: [SchemaFault]) {
    var checker = SchemaChecker(rules: rules)
    let filled = checker.check(value, rule)
    return (filled, checker.faults)
  }
}

/// Walks a value and its rules together.
struct SchemaChecker {
  /// Alternatives within alternatives can multiply without end; no honest schema comes near this.
  static let stepLimit = 1_000_000

  private let rules: [Rule]
  private(set) var faults: [SchemaFault] = []
  private var path: [SchemaFault.Step] = []
  private var steps = 0

  init(rules: [Rule]) { self.rules = rules }

  mutating func check(_ value: JSON, _ index: Int) -> JSON {
    let rule = rules[index]
    steps += 1
    guard steps < Self.stepLimit else {
      add(.value(expected: "something that takes fewer than \(Self.stepLimit) steps to check"), rule)
      return value
    }
    guard !rule.isNever, rule.accepts(value) else {
      // Its parts are of no interest if it is something else altogether.
      add(.value(expected: rules.expectation(of: index)), rule)
      return value
    }
    var value = value
    switch value {
    case .object(let object): value = .object(checkMembers(object, rule))
    case .array(let items): value = .array(checkItems(items, rule, index))
    default: break
    }
    for part in [rule.reference].compactMap({ $0 }) + rule.allOf { value = check(value, part) }
    value = checkAlternatives(value, rule, index)
    return checkCondition(value, rule, index)
  }

  private mutating func add(_ problem: SchemaFault.Problem, _ rule: Rule) {
    let fault = SchemaFault(path: path, problem: problem, isSecret: rule.isSecret)
    if !faults.contains(fault) { faults.append(fault) }
  }

  /// Goes one step into the value.
  private mutating func check(_ value: JSON, _ index: Int, at step: SchemaFault.Step) -> JSON {
    path.append(step)
    defer { path.removeLast() }
    return check(value, index)
  }

  /// What a rule finds, without blaming anybody yet.
  private mutating func trial(_ value: JSON, _ index: Int) -> (value: JSON, faults: [SchemaFault]) {
    let before = faults
    faults = []
    defer { faults = before }
    let filled = check(value, index)
    return (filled, faults)
  }

  // MARK: Objects

  private mutating func checkMembers(_ object: JSONObject, _ rule: Rule) -> JSONObject {
    var result = JSONObject()
    for (name, property) in rule.properties {
      if let value = object[name] ?? rules.defaultValue(of: property) {
        result[name] = check(value, property, at: .key(name))
      }
    }
    let known = Set(rule.properties.map(\.name))
    for member in object.members {
      if let names = rule.propertyNames { checkName(member.key, names) }
      if let filled = checkPatterns(member, rule, isKnown: known.contains(member.key)) { result[member.key] = filled }
    }
    for name in rule.required where result[name] == nil { addMissing(name, rule) }
    for (name, others) in rule.dependentRequired where object[name] != nil {
      for other in others where result[other] == nil { addMissing(other, rule) }
    }
    var whole = JSON.object(result)
    for (name, part) in rule.dependentSchemas where object[name] != nil { whole = check(whole, part) }
    return whole.object ?? result
  }

  /// What comes of a member that no property names; nil if a property did.
  private mutating func checkPatterns(_ member: JSONObject.Member, _ rule: Rule, isKnown: Bool) -> JSON? {
    var value = member.value
    var isNamed = isKnown
    for (pattern, part) in rule.patternProperties where pattern.matches(member.key) {
      isNamed = true
      value = check(value, part, at: .key(member.key))
    }
    if isKnown { return nil }
    if isNamed { return value }
    guard let others = rule.additionalProperties else { return value }
    guard rules[others].isNever else { return check(value, others, at: .key(member.key)) }
    add(.unknown(member.key, known: rule.properties.map(\.name)), rule)
    return value
  }

  private mutating func checkName(_ name: String, _ index: Int) {
    let (_, found) = trial(.string(name), index)
    guard !found.isEmpty else { return }
    path.append(.key(name))
    add(.value(expected: "a name that is \(rules.expectation(of: index))"), rules[index])
    path.removeLast()
  }

  private mutating func addMissing(_ name: String, _ rule: Rule) {
    let expected = rule.property(name).map { rules.expectation(of: $0, withDescription: true) } ?? "it"
    add(.missing(name, expected: expected), rule)
  }

  // MARK: Lists

  private mutating func checkItems(_ items: [JSON], _ rule: Rule, _ index: Int) -> [JSON] {
    let filled = items.enumerated().map { number, item in
      let part = number < rule.prefixItems.count ? rule.prefixItems[number] : rule.items
      return part.map { check(item, $0, at: .index(number)) } ?? item
    }
    if let wanted = rule.contains {
      let count = items.count { trial($0, wanted).faults.isEmpty }
      if count < rule.minContains ?? 1 || count > rule.maxContains ?? .max {
        add(.value(expected: rules.expectation(of: index)), rule)
      }
    }
    return filled
  }

  // MARK: Combinations

  private mutating func checkAlternatives(_ value: JSON, _ rule: Rule, _ index: Int) -> JSON {
    var value = value
    if !rule.anyOf.isEmpty { value = choose(value, rule.anyOf, rule) }
    if !rule.oneOf.isEmpty {
      let fitting = rule.oneOf.count { trial(value, $0).faults.isEmpty }
      if fitting > 1 { add(.value(expected: "just one of: " + rules.expectations(of: rule.oneOf)), rule) }
      value = choose(value, rule.oneOf, rule)
    }
    if let not = rule.not, trial(value, not).faults.isEmpty {
      add(.value(expected: "anything but " + rules.expectation(of: not)), rule)
    }
    return value
  }

  /// The first alternative that fits; otherwise the faults of the one that was probably meant.
  private mutating func choose(_ value: JSON, _ alternatives: [Int], _ rule: Rule) -> JSON {
    let trials = alternatives.map { trial(value, $0) }
    if let fitting = trials.first(where: { $0.faults.isEmpty }) { return fitting.value }
    // A fault deeper inside means that more of the alternative was right.
    let depth = path.count
    let meant = trials.filter { trial in trial.faults.allSatisfy { $0.isWithin(depth) } }
    if meant.count == 1 {
      faults += meant[0].faults
    } else {
      add(.value(expected: "one of: " + rules.expectations(of: alternatives)), rule)
    }
    return value
  }

  private mutating func checkCondition(_ value: JSON, _ rule: Rule, _ index: Int) -> JSON {
    guard let condition = rule.condition else { return value }
    let (filled, found) = trial(value, condition)
    if found.isEmpty { return rule.then.map { check(filled, $0) } ?? filled }
    return rule.otherwise.map { check(value, $0) } ?? value
  }
}

extension SchemaFault {
  /// About a part of the value at this depth, rather than the value as such.
  fileprivate func isWithin(_ depth: Int) -> Bool {
    if case .value = problem { return path.count > depth }
    return true
  }
}

/// What a rule asks of a value without looking into it.
extension Rule {
  func accepts(_ value: JSON) -> Bool {
    if let types, !types.contains(where: { $0.includes(value) }) { return false }
    if let choices, !choices.contains(where: { $0.means(value) }) { return false }
    switch value {
    case .int, .unsigned, .double: return accepts(number: value)
    case .string(let text): return accepts(text: text)
    case .array(let items): return accepts(items: items)
    case .object(let object):
      return object.members.count >= minProperties ?? 0 && object.members.count <= maxProperties ?? .max
    default: return true
    }
  }

  private func accepts(number value: JSON) -> Bool {
    if let minimum, value.isLess(than: minimum) { return false }
    if let maximum, maximum.isLess(than: value) { return false }
    if let exclusiveMinimum, !exclusiveMinimum.isLess(than: value) { return false }
    if let exclusiveMaximum, !value.isLess(than: exclusiveMaximum) { return false }
    return multipleOf.map(value.isMultiple) ?? true
  }

  private func accepts(text: String) -> Bool {
    let length = minLength == nil && maxLength == nil ? 0 : text.unicodeScalars.count
    if let minLength, length < minLength { return false }
    if let maxLength, length > maxLength { return false }
    return pattern?.matches(text) ?? true
  }

  private func accepts(items: [JSON]) -> Bool {
    if let minItems, items.count < minItems { return false }
    if let maxItems, items.count > maxItems { return false }
    if !uniqueItems { return true }
    return items.indices.allSatisfy { place in !items[..<place].contains { $0.means(items[place]) } }
  }
}

extension Rule.Kind {
  /// 1.0 is a whole number, as JSON Schema has it.
  func includes(_ value: JSON) -> Bool {
    switch (self, value) {
    case (.null, .null), (.boolean, .bool), (.string, .string), (.array, .array), (.object, .object): true
    case (.integer, .int), (.integer, .unsigned), (.number, .int), (.number, .unsigned), (.number, .double): true
    case (.integer, .double(let number)): number.rounded() == number && number.isFinite
    default: false
    }
  }
}

extension JSON {
  /// Equality as JSON Schema has it: 1 and 1.0 are the same, and the order of members does not count.
  func means(_ other: JSON) -> Bool {
    switch (self, other) {
    case (.array(let left), .array(let right)):
      return left.count == right.count && zip(left, right).allSatisfy { $0.means($1) }
    case (.object(let left), .object(let right)):
      return left.members.count == right.members.count
        && left.members.allSatisfy { member in right[member.key].map(member.value.means) ?? false }
    case (.int, .double), (.double, .int), (.unsigned, .double), (.double, .unsigned): return double == other.double
    default: return self == other
    }
  }

  func isLess(than other: JSON) -> Bool {
    switch (self, other) {
    case (.int(let left), .int(let right)): left < right
    case (.unsigned(let left), .unsigned(let right)): left < right
    case (.int, .unsigned): true
    case (.unsigned, .int): false
    default: (double ?? 0) < (other.double ?? 0)
    }
  }

  func isMultiple(of divisor: JSON) -> Bool {
    if let number = int, let divisor = divisor.int { return number % divisor == 0 }
    guard let number = double, let divisor = divisor.double else { return false }
    // 0.3 is a multiple of 0.1 to everybody but a computer.
    let quotient = number / divisor
    return abs(quotient - quotient.rounded()) <= 1e-9 * max(1, abs(quotient))
  }
}
