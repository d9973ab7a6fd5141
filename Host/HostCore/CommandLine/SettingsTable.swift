package import NodeValues

/// A role's JSON Schema as a table of settings that a person can read.
package enum SettingsTable {
  /// Deeper settings are shown as one object.
  static let depthLimit = 6

  /// Nil if the schema names no setting.
  package static func table(_ schema: JSON) -> Table? {
    var table = Table([
      .init("SETTING"), .init("TYPE"), .init("DEFAULT", shrinks: true), .init("ALLOWED", shrinks: true),
      .init("MEANING", shrinks: true),
    ])
    add(schema, path: "", depth: 0, to: &table)
    return table.rows.isEmpty ? nil : table
  }

  private static func add(_ schema: JSON, path: String, depth: Int, to table: inout Table) {
    let required = schema["required"]?.array?.compactMap(\.string) ?? []
    for member in schema["properties"]?.object?.members ?? [] {
      let name = path.isEmpty ? member.key : "\(path).\(member.key)"
      let setting = member.value
      let fallback = setting["default"].map(\.description) ?? (required.contains(member.key) ? "(required)" : "")
      table.add([
        .init(name), .init(type(setting)), .init(fallback), .init(allowed(setting)),
        .init(setting["description"]?.string ?? ""),
      ])
      guard depth < depthLimit else { continue }
      add(setting, path: name, depth: depth + 1, to: &table)
      if let items = setting["items"] { add(items, path: name + "[]", depth: depth + 1, to: &table) }
    }
  }

  private static func type(_ setting: JSON) -> String {
    let names = setting["type"]?.string.map { [$0] } ?? setting["type"]?.array?.compactMap(\.string) ?? []
    let name = names.joined(separator: " or ")
    guard name == "array", let item = setting["items"]?["type"]?.string else { return name }
    return "\(item) list"
  }

  private static func allowed(_ setting: JSON) -> String {
    if let choices = setting["enum"]?.array {
      return choices.map { $0.string ?? $0.description }.joined(separator: ", ")
    }
    if let only = setting["const"] { return only.string ?? only.description }
    var parts: [String] = []
    parts += range(setting, "minimum", "maximum", unit: "")
    parts += range(setting, "minLength", "maxLength", unit: " characters")
    parts += range(setting, "minItems", "maxItems", unit: " items")
    if let least = setting["exclusiveMinimum"] { parts.append("above \(least)") }
    if let most = setting["exclusiveMaximum"] { parts.append("below \(most)") }
    if let pattern = setting["pattern"]?.string { parts.append("matches \(pattern)") }
    return parts.joined(separator: ", ")
  }

  private static func range(_ setting: JSON, _ least: String, _ most: String, unit: String) -> [String] {
    switch (setting[least], setting[most]) {
    case (let least?, let most?): ["\(least) to \(most)\(unit)"]
    case (let least?, nil): ["at least \(least)\(unit)"]
    case (nil, let most?): ["at most \(most)\(unit)"]
    case (nil, nil): []
    }
  }
}
