import NodeSchema
import NodeValues

/// Makes configurations up from a schema. What it makes is checked against the schema, so it need not know
/// every keyword: what it does not get right it does not give out.
struct ConfigMaker {
  /// Attempts at one configuration before it gives up.
  private static let attempts = 8
  private static let depthLimit = 8

  private let written: JSON
  private let schema: JSONSchema

  init(_ written: JSON, _ schema: JSONSchema) {
    self.written = written
    self.schema = schema
  }

  /// With as little in it as the schema allows, and its defaults.
  func least() -> JSON? {
    var numbers = SeededNumbers(seed: 0)
    return checked(value(written, 0, asLittle: true, &numbers) ?? .object(JSONObject()))
  }

  /// Any that is right, with values at their limits more often than others.
  func any(_ numbers: inout SeededNumbers) -> JSON? {
    for _ in 0..<Self.attempts {
      if let made = value(written, 0, asLittle: false, &numbers).flatMap(checked) { return made }
    }
    return nil
  }

  private func checked(_ value: JSON) -> JSON? {
    let (filled, faults) = schema.check(value)
    // Nil alone would be a null of JSON's.
    return faults.isEmpty ? filled : Optional.none
  }

  private func value(_ rule: JSON, _ depth: Int, asLittle: Bool, _ numbers: inout SeededNumbers) -> JSON? {
    guard depth < Self.depthLimit else { return nil }
    if let name = rule["$ref"]?.string { return value(target(of: name), depth + 1, asLittle: asLittle, &numbers) }
    if let only = rule["const"] { return only }
    if let choices = rule["enum"]?.array { return asLittle ? choices.first : choices.randomElement(using: &numbers) }
    if let standard = rule["default"], asLittle || Int.random(in: 0..<4, using: &numbers) == 0 { return standard }
    switch kind(of: rule, &numbers) {
    case "object": return object(rule, depth, asLittle: asLittle, &numbers)
    case "array": return array(rule, depth, asLittle: asLittle, &numbers)
    case "integer": return .int(Int64(number(rule, asLittle, &numbers).clamped))
    case "number": return .double(number(rule, asLittle, &numbers))
    case "boolean": return .bool(!asLittle && Bool.random(using: &numbers))
    case "string": return .string(text(rule, asLittle, &numbers))
    default: return .null
    }
  }

  private func kind(of rule: JSON, _ numbers: inout SeededNumbers) -> String {
    if let kind = rule["type"]?.string { return kind }
    if let kind = rule["type"]?.array?.compactMap(\.string).randomElement(using: &numbers) { return kind }
    return rule["properties"] == nil ? "string" : "object"
  }

  /// Within the same document: "#/$defs/upstream".
  private func target(of reference: String) -> JSON {
    var place = written
    for step in reference.split(separator: "/").dropFirst() { place = place[String(step)] ?? .null }
    return place
  }

  private func object(_ rule: JSON, _ depth: Int, asLittle: Bool, _ numbers: inout SeededNumbers) -> JSON {
    let required = rule["required"]?.array?.compactMap(\.string) ?? []
    var object = JSONObject()
    for member in rule["properties"]?.object?.members ?? [] {
      guard required.contains(member.key) || (!asLittle && Bool.random(using: &numbers)) else { continue }
      object[member.key] = value(member.value, depth + 1, asLittle: asLittle, &numbers)
    }
    return .object(object)
  }

  private func array(_ rule: JSON, _ depth: Int, asLittle: Bool, _ numbers: inout SeededNumbers) -> JSON {
    let least = Int(rule["minItems"]?.int ?? 0), most = max(least, Int(rule["maxItems"]?.int ?? Int64(least + 3)))
    let count = asLittle ? least : Int.random(in: least...min(most, least + 3), using: &numbers)
    return .array(
      (0..<count).compactMap { _ in value(rule["items"] ?? .null, depth + 1, asLittle: asLittle, &numbers) })
  }

  private func number(_ rule: JSON, _ asLittle: Bool, _ numbers: inout SeededNumbers) -> Double {
    let least = rule["minimum"]?.double ?? rule["exclusiveMinimum"]?.double.map { $0 + 1 } ?? 0
    let most = rule["maximum"]?.double ?? rule["exclusiveMaximum"]?.double.map { $0 - 1 } ?? max(least, 1_000_000)
    guard !asLittle, least < most else { return least }
    return [least, most, Double.random(in: least...most, using: &numbers).rounded()].randomElement(using: &numbers)!
  }

  private func text(_ rule: JSON, _ asLittle: Bool, _ numbers: inout SeededNumbers) -> String {
    let least = Int(rule["minLength"]?.int ?? 0), most = max(least, Int(rule["maxLength"]?.int ?? Int64(least + 40)))
    guard !asLittle else { return String(repeating: "a", count: max(least, 1)) }
    let count = [least, most, Int.random(in: least...most, using: &numbers)].randomElement(using: &numbers)!
    // Letters of one to four bytes: a limit in characters is no limit in bytes.
    let letters = Array("abcXYZ019 -.äß日\u{1F600}")
    return String((0..<min(count, 4096)).map { _ in letters.randomElement(using: &numbers)! })
  }
}

extension Double {
  /// The nearest whole number that 53 bits hold.
  fileprivate var clamped: Double { Swift.min(Swift.max(rounded(), -9_007_199_254_740_992), 9_007_199_254_740_992) }
}
