import NodeValues

/// Turns the JSON of a schema into rules and finds what is wrong with it.
struct SchemaReader {
  static let ruleLimit = 10_000
  static let nestingLimit = 64

  private let root: JSON
  private var rules: [Rule] = []
  /// The index of the rule that was read at each place, so that a reference is read once.
  private var places: [String: Int] = [:]
  private var references: [(rule: Int, target: String, place: String)] = []

  static func read(_ schema: JSON) throws(SchemaProblem) -> [Rule] {
    var reader = Self(root: schema)
    _ = try reader.rule(schema, at: "", depth: 0)
    try reader.resolve()
    return reader.rules
  }

  private init(root: JSON) { self.root = root }

  private mutating func rule(_ schema: JSON, at place: String, depth: Int) throws(SchemaProblem) -> Int {
    if let known = places[place] { return known }
    guard rules.count < Self.ruleLimit, depth <= Self.nestingLimit else {
      throw SchemaProblem(place, "the schema is larger than \(Self.ruleLimit) rules or nests over \(Self.nestingLimit)")
    }
    let index = rules.count
    places[place] = index
    rules.append(Rule(place: place))
    switch schema {
    case .bool(let accepts): rules[index].isNever = !accepts
    case .object(let object):
      var keyword = KeywordReader(place: place)
      for member in object.members {
        keyword.name = member.key
        try read(member.value, keyword, into: index, depth: depth)
      }
    default: throw SchemaProblem(place, "a schema is an object, true or false, and this is \(schema.kind)")
    }
    return index
  }

  // MARK: Keywords

  private mutating func read(_ value: JSON, _ keyword: KeywordReader, into index: Int, depth: Int)
    throws(SchemaProblem)
  {
    let inner = keyword.inner
    switch keyword.name {
    case "description": rules[index].description = try keyword.text(value)
    case "default": rules[index].defaultValue = value
    case "writeOnly": rules[index].isSecret = try keyword.truth(value)
    case "type": rules[index].types = try keyword.types(value)
    case "enum": rules[index].choices = try keyword.list(value)
    case "const": rules[index].choices = [value]
    case "minimum": rules[index].minimum = try keyword.number(value)
    case "maximum": rules[index].maximum = try keyword.number(value)
    case "exclusiveMinimum": rules[index].exclusiveMinimum = try keyword.number(value)
    case "exclusiveMaximum": rules[index].exclusiveMaximum = try keyword.number(value)
    case "multipleOf": rules[index].multipleOf = try keyword.positive(value)
    case "minLength": rules[index].minLength = try keyword.count(value)
    case "maxLength": rules[index].maxLength = try keyword.count(value)
    case "pattern": rules[index].pattern = try keyword.pattern(value)
    case "minItems": rules[index].minItems = try keyword.count(value)
    case "maxItems": rules[index].maxItems = try keyword.count(value)
    case "minContains": rules[index].minContains = try keyword.count(value)
    case "maxContains": rules[index].maxContains = try keyword.count(value)
    case "uniqueItems": rules[index].uniqueItems = try keyword.truth(value)
    case "minProperties": rules[index].minProperties = try keyword.count(value)
    case "maxProperties": rules[index].maxProperties = try keyword.count(value)
    case "required": rules[index].required = try keyword.texts(value)
    case "dependentRequired":
      for member in try keyword.object(value) {
        rules[index].dependentRequired.append((member.key, try keyword.texts(member.value)))
      }
    case "items": rules[index].items = try rule(value, at: inner, depth: depth + 1)
    case "contains": rules[index].contains = try rule(value, at: inner, depth: depth + 1)
    case "additionalProperties": rules[index].additionalProperties = try rule(value, at: inner, depth: depth + 1)
    case "propertyNames": rules[index].propertyNames = try rule(value, at: inner, depth: depth + 1)
    case "not": rules[index].not = try rule(value, at: inner, depth: depth + 1)
    case "if": rules[index].condition = try rule(value, at: inner, depth: depth + 1)
    case "then": rules[index].then = try rule(value, at: inner, depth: depth + 1)
    case "else": rules[index].otherwise = try rule(value, at: inner, depth: depth + 1)
    case "allOf": rules[index].allOf = try list(value, keyword, depth)
    case "anyOf": rules[index].anyOf = try list(value, keyword, depth)
    case "oneOf": rules[index].oneOf = try list(value, keyword, depth)
    case "prefixItems": rules[index].prefixItems = try list(value, keyword, depth)
    case "properties": rules[index].properties = try members(value, keyword, depth)
    case "dependentSchemas": rules[index].dependentSchemas = try members(value, keyword, depth)
    case "$defs", "definitions": _ = try members(value, keyword, depth)
    case "patternProperties":
      for member in try members(value, keyword, depth) {
        rules[index].patternProperties.append((try keyword.pattern(.string(member.name)), member.rule))
      }
    case "$ref": references.append((index, try keyword.text(value), keyword.place))
    default: try keyword.checkIgnored()
    }
  }

  private mutating func list(_ value: JSON, _ keyword: KeywordReader, _ depth: Int) throws(SchemaProblem) -> [Int] {
    var indices: [Int] = []
    for (number, item) in try keyword.list(value).enumerated() {
      indices.append(try rule(item, at: "\(keyword.inner)/\(number)", depth: depth + 1))
    }
    return indices
  }

  private mutating func members(_ value: JSON, _ keyword: KeywordReader, _ depth: Int) throws(SchemaProblem)
    -> [(name: String, rule: Int)]
  {
    var found: [(name: String, rule: Int)] = []
    for member in try keyword.object(value) {
      let place = "\(keyword.inner)/\(pointerStep(member.key))"
      found.append((member.key, try rule(member.value, at: place, depth: depth + 1)))
    }
    return found
  }

  // MARK: References

  /// Reading a target may find more references, so the list grows while it is worked off.
  private mutating func resolve() throws(SchemaProblem) {
    var next = 0
    while next < references.count {
      let reference = references[next]
      next += 1
      rules[reference.rule].reference = try target(reference.target, from: reference.place)
    }
    for reference in references {
      try checkCircle(from: reference.rule, reference.place)
    }
  }

  private mutating func target(_ text: String, from place: String) throws(SchemaProblem) -> Int {
    guard text == "#" || text.hasPrefix("#/") else {
      throw SchemaProblem(
        place, "$ref is \"\(text)\"; only places in this schema, such as \"#/$defs/port\", are known here")
    }
    let pointer = String(text.dropFirst())
    var value = root
    for step in pointer.split(separator: "/", omittingEmptySubsequences: false).dropFirst() {
      let name = plainStep(String(step))
      guard let inner = value[name] ?? Int(name).flatMap({ value[$0] }) else {
        throw SchemaProblem(place, "$ref is \"\(text)\", and there is nothing at that place")
      }
      value = inner
    }
    return try rule(value, at: pointer, depth: 0)
  }

  /// A rule that refers to itself without going into a part of the value would never end.
  private func checkCircle(from start: Int, _ place: String) throws(SchemaProblem) {
    var seen: Set<Int> = []
    var open = applied(rules[start])
    while let index = open.popLast() {
      if index == start { throw SchemaProblem(place, "$ref leads back to itself") }
      if seen.insert(index).inserted { open += applied(rules[index]) }
    }
  }

  private func applied(_ rule: Rule) -> [Int] {
    [rule.reference, rule.not, rule.condition, rule.then, rule.otherwise].compactMap { $0 } + rule.allOf + rule.anyOf
      + rule.oneOf + rule.dependentSchemas.map(\.rule)
  }
}

/// Reads the value of one keyword.
private struct KeywordReader {
  var place: String
  var name = ""

  var inner: String { "\(place)/\(pointerStep(name))" }

  private func fault(_ expected: String, _ value: JSON) -> SchemaProblem {
    SchemaProblem(inner, "expected \(expected), got \(value.kind)")
  }

  func text(_ value: JSON) throws(SchemaProblem) -> String {
    guard let text = value.string else { throw fault("text", value) }
    return text
  }

  func truth(_ value: JSON) throws(SchemaProblem) -> Bool {
    guard let truth = value.bool else { throw fault("true or false", value) }
    return truth
  }

  func number(_ value: JSON) throws(SchemaProblem) -> JSON {
    guard value.double != nil else { throw fault("a number", value) }
    return value
  }

  func positive(_ value: JSON) throws(SchemaProblem) -> JSON {
    guard let number = value.double, number > 0 else { throw fault("a number above 0", value) }
    return value
  }

  func count(_ value: JSON) throws(SchemaProblem) -> Int {
    guard let number = value.int, let count = Int(exactly: number), count >= 0 else {
      throw fault("a whole number from 0", value)
    }
    return count
  }

  func list(_ value: JSON) throws(SchemaProblem) -> [JSON] {
    guard let list = value.array else { throw fault("a list", value) }
    return list
  }

  func object(_ value: JSON) throws(SchemaProblem) -> [JSONObject.Member] {
    guard let object = value.object else { throw fault("an object", value) }
    return object.members
  }

  func texts(_ value: JSON) throws(SchemaProblem) -> [String] {
    var texts: [String] = []
    for item in try list(value) { texts.append(try text(item)) }
    return texts
  }

  func pattern(_ value: JSON) throws(SchemaProblem) -> Pattern {
    let text = try text(value)
    do throws(PatternProblem) {
      return try Pattern(text)
    } catch {
      throw SchemaProblem(inner, "the pattern is not understood: \(error.description)")
    }
  }

  func types(_ value: JSON) throws(SchemaProblem) -> [Rule.Kind] {
    var kinds: [Rule.Kind] = []
    for name in value.array ?? [value] {
      guard let kind = name.string.flatMap(Rule.Kind.init) else {
        let known = Rule.Kind.allCases.map(\.rawValue).joined(separator: ", ")
        throw SchemaProblem(inner, "the type is \(name); expected one of \(known)")
      }
      kinds.append(kind)
    }
    return kinds
  }

  /// What only describes is skipped, as JSON Schema asks; what would have to be checked is not.
  func checkIgnored() throws(SchemaProblem) {
    let unchecked = [
      "$dynamicRef", "$recursiveRef", "unevaluatedItems", "unevaluatedProperties", "additionalItems", "dependencies",
    ]
    if unchecked.contains(name) { throw SchemaProblem(inner, "`\(name)` is not understood here") }
    if name.hasPrefix("x-") || Self.descriptive.contains(name) { return }
    guard let near = nearestWord(to: name, among: Self.known) else { return }
    throw SchemaProblem(inner, "there is no keyword `\(name)`; did you mean `\(near)`?")
  }

  private static let descriptive: Set = [
    "$schema", "$id", "$anchor", "$comment", "$vocabulary", "title", "examples", "deprecated", "readOnly", "format",
    "contentEncoding", "contentMediaType", "contentSchema",
  ]
  private static let known = [
    "description", "default", "writeOnly", "type", "enum", "const", "minimum", "maximum", "exclusiveMinimum",
    "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "pattern", "minItems", "maxItems", "minContains",
    "maxContains", "uniqueItems", "minProperties", "maxProperties", "required", "dependentRequired",
    "dependentSchemas", "items", "prefixItems", "contains", "properties", "patternProperties",
    "additionalProperties", "propertyNames", "allOf", "anyOf", "oneOf", "definitions",
  ]
}

/// One step of a JSON pointer, and back.
func pointerStep(_ name: String) -> String {
  var step = ""
  for character in name.unicodeScalars {
    switch character {
    case "~": step += "~0"
    case "/": step += "~1"
    default: step.unicodeScalars.append(character)
    }
  }
  return step
}

private func plainStep(_ step: String) -> String {
  var name = ""
  var isEscape = false
  for character in step.unicodeScalars {
    if isEscape {
      name += character == "1" ? "/" : "~"
      isEscape = false
    } else if character == "~" {
      isEscape = true
    } else {
      name.unicodeScalars.append(character)
    }
  }
  return name
}
