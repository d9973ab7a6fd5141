package import NodeValues

/// An error as the operator sees it: where, what, what was expected, and what was probably meant.
package struct Diagnostic: Sendable, Equatable, CustomStringConvertible {
  /// Another place that has to do with it.
  package struct Note: Sendable, Equatable {
    package var file: String
    /// Nil for an argument, which has no lines.
    package var position: SourcePosition?
    package var message: String
  }

  /// A file's path, or for a command-line argument the option and the argument.
  package var file: String
  /// Nil if the file could not be read at all, and for an argument, which has no lines.
  package var position: SourcePosition?
  package var message: String
  /// Stands after "expected".
  package var expected: String?
  /// The nearest known word to the one that was written.
  package var suggestion: String?
  package var excerpt: Excerpt?
  package var notes: [Note]

  package init(
    file: String, position: SourcePosition? = nil, message: String, expected: String? = nil,
    suggestion: String? = nil, excerpt: Excerpt? = nil, notes: [Note] = []
  ) {
    self.file = file
    self.position = position
    self.message = message
    self.expected = expected
    self.suggestion = suggestion
    self.excerpt = excerpt
    self.notes = notes
  }

  /// One line, in the form that editors turn into a link.
  package var headline: String {
    var text = "\(Self.location(file, position)): error: \(message)"
    if let suggestion { text += "; did you mean `\(suggestion)`?" }
    return text
  }

  /// The same in a sentence, for a log: no excerpt, which might hold a secret.
  package var sentence: String {
    var text = message
    if let suggestion {
      text += "; did you mean `\(suggestion)`?"
    } else if let expected {
      text += "; expected \(expected)"
    }
    guard let position else { return text }
    return "\(file):\(position.line):\(position.column): \(text)"
  }

  private static func location(_ file: String, _ position: SourcePosition?) -> String {
    position.map { "\(file):\($0.line):\($0.column)" } ?? file
  }

  /// For people: the headline, the line with a caret, what was expected, and related places.
  package var description: String {
    var lines = [headline]
    if let excerpt { lines += excerpt.rendered(line: position?.line) }
    if let expected { lines.append("  expected \(expected)") }
    lines += notes.map { "  \(Self.location($0.file, $0.position)): \($0.message)" }
    return lines.joined(separator: "\n")
  }

  /// For programs.
  package var json: JSON {
    var object = JSONObject([("file", .string(file))])
    if let position {
      object["line"] = JSON(position.line)
      object["column"] = JSON(position.column)
    }
    object["message"] = .string(message)
    if let expected { object["expected"] = .string(expected) }
    if let suggestion { object["suggestion"] = .string(suggestion) }
    if let excerpt { object["excerpt"] = .string(excerpt.text) }
    if !notes.isEmpty { object["notes"] = .array(notes.map(\.json)) }
    return .object(object)
  }
}

extension Diagnostic.Note {
  fileprivate var json: JSON {
    var object = JSONObject([("file", .string(file))])
    if let position {
      object["line"] = JSON(position.line)
      object["column"] = JSON(position.column)
    }
    object["message"] = .string(message)
    return .object(object)
  }
}
