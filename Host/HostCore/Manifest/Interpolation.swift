import NodeValues

/// Where the values of `${NAME}` and `${file:PATH}` come from.
package struct Interpolation {
  /// Why a file's text could not be had, to stand after the path.
  package struct FileProblem: Error, Equatable {
    package var message: String
    package init(_ message: String) { self.message = message }
  }

  package var variable: (String) -> String?
  /// Gets the path as written; resolving it against the manifest's folder is the reader's work.
  package var file: (String) -> Result<String, FileProblem>

  package init(
    variable: @escaping (String) -> String?, file: @escaping (String) -> Result<String, FileProblem>
  ) {
    self.variable = variable
    self.file = file
  }

  /// All that may be inserted into one document; aliases multiply what they repeat.
  package static let totalLimit = 16 << 20
}

/// Expands scalars after parsing, so that no value can change the structure of the document.
package struct Expander {
  private let values: Interpolation
  private let sources: Sources
  private let log: FaultLog
  private var inserted = 0

  package init(_ values: Interpolation, sources: Sources, log: FaultLog) {
    self.values = values
    self.sources = sources
    self.log = log
  }

  package mutating func expand(_ node: YamlNode) -> YamlNode {
    var node = node
    switch node.content {
    case .scalar(let scalar):
      guard scalar.text.utf8.contains(UInt8(ascii: "$")) else { return node }
      let faults = log.count
      var expanded = scalar
      expanded.text = expand(scalar.text, at: node.place)
      expanded.written = scalar.text
      if expanded.typed == nil {
        log.add("`\(scalar.text)` does not fit the tag !!\(scalar.tag?.rawValue ?? "")", at: node.place)
      }
      if log.count > faults { log.settle(node.place) }
      node.content = .scalar(expanded)
    case .list(let items): node.content = .list(items.map { expand($0) })
    case .mapping(let mapping):
      node.content = .mapping(
        YamlMapping(mapping.entries.map { YamlEntry(key: checked($0.key), value: expand($0.value)) }))
    }
    return node
  }

  private func checked(_ key: YamlKey) -> YamlKey {
    if key.text.contains("${") {
      log.add("the key `\(key.text)` cannot hold a variable", at: key.place, expected: .described("one in values only"))
    }
    return key
  }

  private mutating func expand(_ text: String, at place: SourcePlace) -> String {
    var result = ""
    // By bytes: an accent behind a brace would make it another Character.
    var rest = text.utf8[...]
    while let dollar = rest.firstIndex(of: UInt8(ascii: "$")) {
      result += Substring(rest[..<dollar])
      rest = rest[dollar...].dropFirst()
      switch rest.first {
      case UInt8(ascii: "$"):
        result += "$"
        rest = rest.dropFirst()
      case UInt8(ascii: "{"):
        guard let end = rest.firstIndex(of: UInt8(ascii: "}")) else {
          log.add(
            "`${` has no closing brace", at: sources.place(of: "${", from: place),
            expected: .described("`${NAME}`, or `$$` for a dollar sign"))
          return result
        }
        result += value(of: String(Substring(rest.dropFirst()[..<end])), at: place)
        rest = rest[end...].dropFirst()
      default: result += "$"
      }
    }
    return result + Substring(rest)
  }

  private mutating func value(of reference: String, at place: SourcePlace) -> String {
    // Once is enough to say so, and no further file is read.
    guard inserted <= Interpolation.totalLimit else { return "" }
    let place = sources.place(of: "${" + reference, from: place)
    let value =
      reference.hasPrefix("file:")
      ? file(String(reference.dropFirst(5)), at: place)
      : variable(reference, at: place)
    inserted += value.utf8.count
    if inserted <= Interpolation.totalLimit { return value }
    log.add("the expanded values are longer than \(Interpolation.totalLimit) bytes together", at: place)
    return ""
  }

  private func variable(_ reference: String, at place: SourcePlace) -> String {
    let name = String(reference.prefix { Self.isNameLetter($0) })
    let rest = reference.dropFirst(name.count)
    guard let first = name.first, !first.isNumber, rest.isEmpty || rest.hasPrefix(":-") else {
      log.add(
        "`${\(reference)}` is neither a variable nor a file", at: place,
        expected: .described("`${NAME}`, `${NAME:-default}`, `${file:PATH}`, or `$$` for a dollar sign"))
      return ""
    }
    guard !rest.contains("${") else {
      log.add(
        "the default of `\(name)` holds another variable", at: place,
        expected: .described("plain text: the first closing brace ends it"))
      return ""
    }
    // As in a shell, `:-` also replaces an empty value.
    if let value = values.variable(name), !(value.isEmpty && !rest.isEmpty) { return value }
    if rest.isEmpty {
      log.add(
        "the environment variable `\(name)` is not set", at: place,
        expected: .described("it in the environment, or a default: `${\(name):-value}`"))
    }
    return String(rest.dropFirst(2))
  }

  private func file(_ path: String, at place: SourcePlace) -> String {
    guard !path.isEmpty else {
      log.add("`${file:}` names no file", at: place, expected: .described("`${file:PATH}`"))
      return ""
    }
    switch values.file(path) {
    case .failure(let problem):
      log.add("the file `\(path)` \(problem.message)", at: place)
      return ""
    case .success(let text):
      guard text.hasSuffix("\n") || text.hasSuffix("\r\n") else { return text }
      return String(text.dropLast())
    }
  }

  private static func isNameLetter(_ letter: Character) -> Bool {
    letter == "_" || (letter.isASCII && (letter.isLetter || letter.isNumber))
  }
}
