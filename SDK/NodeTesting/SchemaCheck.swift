/// As much of JSON Schema as the configuration of a role uses: it fills in defaults and finds the first fault.
enum SchemaCheck {
  static func filled(_ value: JSON, _ schema: JSON, at place: String) throws -> JSON {
    try checkType(value, schema, at: place)
    if let choices = schema["enum"]?.array, !choices.contains(value) {
      let words = choices.map(\.description).joined(separator: ", ")
      throw RoleError(.invalidArgument, "\(value) is none of \(words)", at: place)
    }
    try checkLimits(value, schema, at: place)
    switch value {
    case .object(let object): return .object(try filled(object, schema, at: place))
    case .array(let items):
      guard let item = schema["items"] else { return value }
      return .array(try items.enumerated().map { try filled($1, item, at: "\(place)/\($0)") })
    default: return value
    }
  }

  private static func filled(_ object: JSONObject, _ schema: JSON, at place: String) throws -> JSONObject {
    var result = JSONObject()
    let properties = schema["properties"]?.object ?? JSONObject()
    for property in properties.members {
      let inner = "\(place)/\(property.key)"
      if let value = object[property.key] ?? property.value["default"] {
        result[property.key] = try filled(value, property.value, at: inner)
      } else if schema["required"]?.array?.contains(.string(property.key)) == true {
        throw RoleError(.invalidArgument, "this setting is missing", at: inner)
      }
    }
    for member in object.members where properties[member.key] == nil {
      let inner = "\(place)/\(member.key)"
      switch schema["additionalProperties"] {
      case .bool(false):
        let known = properties.members.map(\.key).joined(separator: ", ")
        throw RoleError(.invalidArgument, "there is no such setting; known are \(known)", at: inner)
      case .object(let other): result[member.key] = try filled(member.value, .object(other), at: inner)
      default: result[member.key] = member.value
      }
    }
    return result
  }

  private static func checkType(_ value: JSON, _ schema: JSON, at place: String) throws {
    let fits: Bool
    switch schema["type"]?.string {
    case "integer": fits = value.int != nil || value.kind == "a whole number"
    case "number": fits = value.double != nil
    case "string": fits = value.string != nil
    case "boolean": fits = value.bool != nil
    case "array": fits = value.array != nil
    case "object": fits = value.object != nil
    default: fits = true
    }
    if !fits {
      throw RoleError(
        .invalidArgument, "expected \(schema["type"]?.string ?? "another type"), got \(value.kind)", at: place)
    }
  }

  private static func checkLimits(_ value: JSON, _ schema: JSON, at place: String) throws {
    func check(_ least: String, _ most: String, _ count: Double?, _ what: String) throws {
      guard let count else { return }
      if let least = schema[least]?.double, count < least {
        throw RoleError(.invalidArgument, "\(what) \(JSON.double(count)) is less than \(JSON.double(least))", at: place)
      }
      if let most = schema[most]?.double, count > most {
        throw RoleError(.invalidArgument, "\(what) \(JSON.double(count)) is more than \(JSON.double(most))", at: place)
      }
    }
    try check("minimum", "maximum", value.double, "the number")
    try check("minLength", "maxLength", value.string.map { Double($0.unicodeScalars.count) }, "the length")
    try check("minItems", "maxItems", value.array.map { Double($0.count) }, "the count")
    guard let pattern = schema["pattern"]?.string, let text = value.string else { return }
    guard try Regex(pattern).firstMatch(in: text) != nil else {
      throw RoleError(.invalidArgument, "\"\(text)\" does not match \(pattern)", at: place)
    }
  }
}
