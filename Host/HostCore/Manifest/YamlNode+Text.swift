extension YamlNode {
  /// The document as YAML again, with all overrides in it. Expanded values stand as they were written, `${…}`, so that
  /// what a file or the environment holds is never printed.
  package var rendered: String {
    var text = ""
    write(to: &text, indent: 0, afterKey: false)
    return text
  }

  private func write(to text: inout String, indent: Int, afterKey: Bool) {
    let margin = String(repeating: "  ", count: indent)
    switch content {
    case .scalar(let scalar): text += (afterKey ? " " : "") + Self.inYaml(scalar) + "\n"
    case .list(let items) where items.isEmpty: text += (afterKey ? " " : "") + "[]\n"
    case .mapping(let mapping) where mapping.entries.isEmpty: text += (afterKey ? " " : "") + "{}\n"
    case .list(let items):
      if afterKey { text += "\n" }
      for item in items {
        text += margin + "-"
        item.write(to: &text, indent: indent + 1, afterKey: true)
      }
    case .mapping(let mapping):
      if afterKey { text += "\n" }
      for entry in mapping.entries {
        text += margin + Self.inYaml(YamlScalar(entry.key.text, style: .plain)) + ":"
        entry.value.write(to: &text, indent: indent + 1, afterKey: true)
      }
    }
  }

  /// Plain where that reads back as the same value, in double quotes otherwise.
  private static func inYaml(_ scalar: YamlScalar) -> String {
    let text = scalar.shown
    let tag = scalar.tag.map { "!!\($0.rawValue) " } ?? ""
    if scalar.style == .plain, isSafePlain(text) { return tag + text }
    var quoted = tag + "\""
    for character in text.unicodeScalars {
      switch character {
      case "\"": quoted += "\\\""
      case "\\": quoted += "\\\\"
      case "\n": quoted += "\\n"
      case "\t": quoted += "\\t"
      case _ where character.value < 0x20 || (0x7F..<0xA0).contains(character.value):
        quoted += "\\x" + hex(character.value)
      default: quoted.unicodeScalars.append(character)
      }
    }
    return quoted + "\""
  }

  private static func isSafePlain(_ text: String) -> Bool {
    guard let first = text.unicodeScalars.first else { return true }
    let isOrdinary = text.unicodeScalars.allSatisfy {
      switch $0 {
      case "a"..."z", "A"..."Z", "0"..."9", "-", "_", ".", "/", "+", "~", "$", "<": true
      default: false
      }
    }
    return isOrdinary && (first != "-" || text.unicodeScalars.count > 1)
  }
}
