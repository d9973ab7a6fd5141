extension YamlNode {
  /// The document as YAML again, with all overrides in it. Expanded values stand as they were written, `${…}`, so that
  /// what a file or the environment holds is never printed.
  package var rendered: String {
    var text = ""
    write(to: &text, indent: 0, after: .nothing)
    return text
  }

  private enum Before { case nothing, key, dash }

  /// libyaml takes no longer key without a question mark before it.
  private static let simpleKeyLimit = 1_000

  private func write(to text: inout String, indent: Int, after before: Before) {
    let margin = String(repeating: "  ", count: indent)
    // The first item or entry stands behind a dash on the same line, but below a key.
    var lead = before == .key ? "\n" + margin : before == .dash ? " " : margin
    switch content {
    case .scalar(let scalar):
      let value = Self.inYaml(scalar)
      text += (before == .nothing || value.isEmpty ? "" : " ") + value + "\n"
    case .list(let items) where items.isEmpty: text += (before == .nothing ? "" : " ") + "[]\n"
    case .mapping(let mapping) where mapping.entries.isEmpty: text += (before == .nothing ? "" : " ") + "{}\n"
    case .list(let items):
      for item in items {
        text += lead + "-"
        item.write(to: &text, indent: indent + 1, after: .dash)
        lead = margin
      }
    case .mapping(let mapping):
      for entry in mapping.entries {
        let key = Self.isSafePlain(entry.key.text) && !entry.key.text.isEmpty ? entry.key.text : quoted(entry.key.text)
        text += lead + (key.utf8.count > Self.simpleKeyLimit ? "? \(key)\n\(margin):" : "\(key):")
        entry.value.write(to: &text, indent: indent + 1, after: .key)
        lead = margin
      }
    }
  }

  /// Plain where that reads back as the same value, in double quotes otherwise.
  private static func inYaml(_ scalar: YamlScalar) -> String {
    let text = scalar.shown
    let tag = scalar.tag.map { "!!\($0.rawValue) " } ?? ""
    guard scalar.style == .plain, tag.isEmpty || !text.isEmpty else { return tag + quoted(text) }
    // In quotes a variable could not be a number any more. It was plain when it was read, so it can be again, unless
    // it had several paragraphs.
    let isPlain = isSafePlain(text) || (scalar.isExpanded && !text.utf8.contains(UInt8(ascii: "\n")))
    return tag + (isPlain ? text : quoted(text))
  }

  private static func isSafePlain(_ text: String) -> Bool {
    guard let first = text.unicodeScalars.first else { return true }
    let isOrdinary = text.unicodeScalars.allSatisfy {
      switch $0 {
      case "a"..."z", "A"..."Z", "0"..."9", "-", "_", ".", "/", "+", "~", "$": true
      default: false
      }
    }
    return isOrdinary && (first != "-" || text.unicodeScalars.count > 1)
  }
}

private func quoted(_ text: String) -> String {
  var quoted = "\""
  for character in text.unicodeScalars {
    switch character {
    case "\"": quoted += "\\\""
    case "\\": quoted += "\\\\"
    case "\n": quoted += "\\n"
    case "\t": quoted += "\\t"
    // What YAML takes for a line's end, or no reader would let pass.
    case "\u{85}", "\u{2028}", "\u{2029}", "\r": quoted += escape(character.value)
    case _ where !SourceText.isReadable(character.value, at: 1):
      quoted += escape(character.value)
    default: quoted.unicodeScalars.append(character)
    }
  }
  return quoted + "\""
}

private func escape(_ code: UInt32) -> String {
  code <= 0xFF ? "\\x" + hex(code) : code <= 0xFFFF ? "\\u" + hex(code, digits: 4) : "\\U" + hex(code, digits: 8)
}
