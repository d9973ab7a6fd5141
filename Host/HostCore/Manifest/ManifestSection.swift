import NodeValues

/// Reads one mapping of the manifest, and logs what is missing, unknown or of the wrong kind.
///
/// Every reading function returns nil after logging, or when the key is absent, so that reading goes on and all faults
/// are found at once.
struct ManifestSection {
  /// How messages name it: "node", "roles[2]".
  let name: String
  let place: SourcePlace
  let log: FaultLog
  private let keys: [String]
  private let mapping: YamlMapping

  /// An absent section is an empty one. Unknown keys are logged here.
  init(_ node: YamlNode?, named name: String, keys: [String], at place: SourcePlace, log: FaultLog) {
    self.name = name
    self.keys = keys
    self.log = log
    self.place = node?.place ?? place
    guard let node, !node.isNull else {
      mapping = YamlMapping()
      return
    }
    if node.mapping == nil {
      log.add("`\(name)` is \(node.kind)", at: node.place, expected: .described("a mapping with \(Self.list(keys))"))
    }
    mapping = node.mapping ?? YamlMapping()
    for entry in mapping.entries where !keys.contains(entry.key.text) {
      log.add("unknown key `\(entry.key.text)`", at: entry.key.place, expected: .oneOf(keys), word: entry.key.text)
    }
  }

  private static func list(_ words: [String]) -> String { words.map { "`\($0)`" }.joined(separator: ", ") }

  subscript(key: String) -> YamlNode? {
    assert(keys.contains(key), "\(key) is not among the keys of \(name)")
    return mapping[key]
  }

  /// The values of the section whose keys are names.
  static func entries(
    _ node: YamlNode?, named name: String, of what: String, limit: Int, log: FaultLog
  ) -> [YamlEntry] {
    guard let node, !node.isNull else { return [] }
    if node.mapping == nil {
      log.add("`\(name)` is \(node.kind)", at: node.place, expected: .described("a mapping of \(what)"))
    }
    let entries = node.mapping?.entries ?? []
    if entries.count <= limit { return entries }
    log.add("`\(name)` has more than \(limit) entries", at: node.place)
    return []
  }

  func missing(_ key: String, expected: String) {
    log.add("`\(name)` lacks the key `\(key)`", at: place, expected: .described(expected))
  }

  func wrong(_ node: YamlNode, _ key: String, expected: String) {
    log.add("`\(key)` is \(node.shown)", at: node.place, expected: .described(expected))
  }
}

/// Values of one kind.
extension ManifestSection {
  /// Any scalar but null, as it was written: a name of digits needs no quotes.
  func text(_ key: String, expected: String = "text") -> String? {
    guard let node = self[key] else { return nil }
    guard let scalar = node.scalar, !node.isNull, !scalar.text.isEmpty else {
      wrong(node, key, expected: expected)
      return nil
    }
    return scalar.text
  }

  /// Text that comes from a file or the environment: a manifest is copied, mailed and committed.
  func secret(_ key: String) -> Secret? {
    guard let text = text(key), let node = self[key] else { return nil }
    if node.scalar?.written?.contains("${") == true { return Secret(text) }
    var fault = Fault(
      "`\(name).\(key)` is written out", at: node.place,
      expected: .described("`${file:PATH}` or `${NAME}`: a secret comes from a file or the environment"))
    fault.isSecret = true
    log.add(fault)
    return nil
  }

  /// Letters, digits, `-`, `_` and `.`, so that it can stand in a file's name, an address and a log line.
  func identifier(_ key: String) -> String? {
    guard let text = text(key, expected: Self.nameExpectation), let node = self[key] else { return nil }
    if Self.isName(text) { return text }
    wrong(node, key, expected: Self.nameExpectation)
    return nil
  }

  static let nameExpectation =
    "a name of at most \(ManifestLimits.nameLength) letters, digits, `-`, `_` and `.`, beginning with a letter or digit"

  static func isName(_ text: String) -> Bool {
    guard (1...ManifestLimits.nameLength).contains(text.utf8.count) else { return false }
    guard let first = text.utf8.first, first != UInt8(ascii: "-"), first != UInt8(ascii: ".") else { return false }
    return text.utf8.allSatisfy { byte in
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
        true
      default: false
      }
    }
  }

  func integer(_ key: String, in range: ClosedRange<Int>) -> Int? {
    guard let node = self[key] else { return nil }
    if let number = Self.integer(node), range.contains(number) { return number }
    let unit = key.hasSuffix("_ms") ? " of milliseconds" : ""
    wrong(node, key, expected: "a whole number\(unit) from \(range.lowerBound) to \(range.upperBound)")
    return nil
  }

  /// An expanded scalar may be quoted: `"${NODE_ID}"` is how shells teach to write it.
  static func integer(_ node: YamlNode) -> Int? {
    guard let scalar = node.scalar, scalar.tag != .str else { return nil }
    let value = scalar.isExpanded ? YamlScalar.core(scalar.text) : scalar.typed
    guard case .int(let number)? = value else { return nil }
    return Int(number)
  }

  func truth(_ key: String) -> Bool? {
    guard let node = self[key] else { return nil }
    if let truth = node.scalar?.truth { return truth }
    wrong(node, key, expected: "on or off, true or false")
    return nil
  }

  func word<Word>(_ key: String, _ type: Word.Type) -> Word?
  where Word: RawRepresentable<String> & CaseIterable {
    guard let node = self[key] else { return nil }
    if let text = node.scalar?.text, let word = Word(rawValue: text) { return word }
    log.add(
      "`\(key)` is \(node.shown)", at: node.place, expected: .oneOf(Word.allCases.map(\.rawValue)),
      word: node.scalar?.shown)
    return nil
  }

  /// A list of texts; a single text is a list of one.
  func texts(_ key: String) -> [TextItem] {
    guard let node = self[key], !node.isNull else { return [] }
    return (node.list ?? [node]).compactMap { item in
      guard let scalar = item.scalar, !item.isNull, !scalar.text.isEmpty else {
        wrong(item, key, expected: "a list of texts")
        return nil
      }
      return TextItem(text: scalar.text, shown: scalar.shown, place: item.place)
    }
  }

  func endpoint(_ key: String) -> Endpoint? {
    guard let text = text(key, expected: Endpoint.expectation), let node = self[key] else { return nil }
    if let endpoint = Endpoint(text) { return endpoint }
    wrong(node, key, expected: Endpoint.expectation)
    return nil
  }
}

/// A text in a list, with what messages may show of it.
struct TextItem {
  var text: String
  var shown: String
  var place: SourcePlace
}
