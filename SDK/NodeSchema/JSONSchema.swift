public import NodeValues

/// A JSON Schema (draft 2020-12) that has been read and found sound.
///
/// It knows every keyword of the core, applicator and validation vocabularies but those that need another document or
/// the memory of what else was checked: a remote `$ref`, `$dynamicRef`, `unevaluatedItems`, `unevaluatedProperties`.
/// What it does not check it refuses, rather than let a configuration pass unseen.
public struct JSONSchema: Sendable {
  /// Rules refer to each other by index, so that a schema may contain itself.
  var rules: [Rule]

  /// Accepts an object without members: the configuration of a role that takes none.
  public static let nothing = JSONSchema(rules: [Rule(types: [.object], additionalProperties: 1), .never])

  init(rules: [Rule]) { self.rules = rules }

  /// Throws the first thing that is wrong with the schema itself.
  public init(_ schema: JSON) throws(SchemaProblem) {
    rules = try SchemaReader.read(schema)
    try checkDefaults()
  }

  /// A default that its own rule refuses would blame an operator who wrote nothing.
  private func checkDefaults() throws(SchemaProblem) {
    for (index, rule) in rules.enumerated() {
      guard let value = rule.defaultValue, let fault = check(value, index).faults.first else { continue }
      throw SchemaProblem(rule.place + "/default", "the default is refused: \(fault.description(of: value))")
    }
  }
}

/// What is wrong with a schema, and where in it.
public struct SchemaProblem: Error, Sendable, Equatable, CustomStringConvertible {
  /// A JSON pointer.
  public var place: String
  public var message: String

  init(_ place: String, _ message: String) {
    self.place = place
    self.message = message
  }

  public var description: String { place.isEmpty ? message : "at \(place): \(message)" }
}

/// One schema within the schema. A keyword that is absent is nil or empty and asks nothing.
struct Rule: Sendable {
  enum Kind: String, Sendable, CaseIterable {
    case null, boolean, integer, number, string, array, object
  }

  var place = ""
  /// The schema `false`: nothing is right.
  var isNever = false
  var description: String?
  var defaultValue: JSON?
  var isSecret = false

  var types: [Kind]?
  var choices: [JSON]?
  var minimum: JSON?
  var maximum: JSON?
  var exclusiveMinimum: JSON?
  var exclusiveMaximum: JSON?
  var multipleOf: JSON?
  var minLength: Int?
  var maxLength: Int?
  var pattern: Pattern?

  var prefixItems: [Int] = []
  var items: Int?
  var contains: Int?
  var minContains: Int?
  var maxContains: Int?
  var minItems: Int?
  var maxItems: Int?
  var uniqueItems = false

  var properties: [(name: String, rule: Int)] = []
  var patternProperties: [(pattern: Pattern, rule: Int)] = []
  var additionalProperties: Int?
  var propertyNames: Int?
  var required: [String] = []
  var dependentRequired: [(name: String, others: [String])] = []
  var dependentSchemas: [(name: String, rule: Int)] = []
  var minProperties: Int?
  var maxProperties: Int?

  var reference: Int?
  var allOf: [Int] = []
  var anyOf: [Int] = []
  var oneOf: [Int] = []
  var not: Int?
  var condition: Int?
  var then: Int?
  var otherwise: Int?

  static let never = Rule(isNever: true)

  func property(_ name: String) -> Int? { properties.first { $0.name == name }?.rule }
}
