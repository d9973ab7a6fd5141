import NodeValues

/// A node of a YAML document with the place where it was written.
package struct YamlNode: Sendable {
  package enum Content: Sendable {
    case scalar(YamlScalar)
    case list([YamlNode])
    case mapping(YamlMapping)
  }

  package var content: Content
  /// Where the value itself stands: for an alias, at its anchor.
  package var place: SourcePlace
  /// Where the alias stands that brought the value here.
  package var alias: SourcePlace?

  package init(_ content: Content, at place: SourcePlace, alias: SourcePlace? = nil) {
    self.content = content
    self.place = place
    self.alias = alias
  }

  package var scalar: YamlScalar? {
    if case .scalar(let scalar) = content { return scalar }
    return nil
  }

  package var list: [YamlNode]? {
    if case .list(let items) = content { return items }
    return nil
  }

  package var mapping: YamlMapping? {
    if case .mapping(let mapping) = content { return mapping }
    return nil
  }

  package subscript(key: String) -> YamlNode? { mapping?[key] }

  /// What a person calls this kind of value.
  package var kind: String {
    switch content {
    case .scalar(let scalar):
      isNull ? "an empty value" : scalar.typed?.kind ?? "a value that does not fit its tag"
    case .list: "a list"
    case .mapping: "a mapping"
    }
  }

  /// How a message shows the value: as it was written, and so without what a file or the environment gave. The quotes
  /// stay, for they may be what is wrong.
  package var shown: String {
    guard let scalar else { return kind }
    if scalar.style == .quoted, !scalar.isExpanded { return "`\"\(scalar.text)\"`" }
    return scalar.shown.isEmpty ? "empty" : "`\(scalar.shown)`"
  }

  /// How many lists and mappings stand inside each other.
  package var height: Int {
    switch content {
    case .scalar: 0
    case .list(let items): 1 + (items.map(\.height).max() ?? 0)
    case .mapping(let mapping): 1 + (mapping.entries.map(\.value.height).max() ?? 0)
    }
  }

  /// An empty value, such as that of a key with nothing after its colon.
  package var isNull: Bool { scalar?.typed == .null }
}

/// Keys in the order in which they were written. Few mappings are large, so a look-up is a walk.
package struct YamlMapping: Sendable {
  package var entries: [YamlEntry]

  package init(_ entries: [YamlEntry] = []) { self.entries = entries }

  package subscript(key: String) -> YamlNode? { entries.first { $0.key.text == key }?.value }
}

package struct YamlEntry: Sendable {
  package var key: YamlKey
  package var value: YamlNode

  package init(key: YamlKey, value: YamlNode) {
    self.key = key
    self.value = value
  }
}

/// A key is always text: `2:` is the key "2".
package struct YamlKey: Sendable {
  package var text: String
  package var place: SourcePlace
  /// `<<` without quotes.
  package var isMerge: Bool

  package init(_ text: String, at place: SourcePlace, isMerge: Bool = false) {
    self.text = text
    self.place = place
    self.isMerge = isMerge
  }
}

/// Equality asks whether two values mean the same: places, aliases and the order of keys do not count.
extension YamlNode: Equatable {
  package static func == (left: Self, right: Self) -> Bool {
    switch (left.content, right.content) {
    case (.scalar(let left), .scalar(let right)): left.means(right)
    case (.list(let left), .list(let right)): left == right
    case (.mapping(let left), .mapping(let right)): left == right
    default: false
    }
  }
}

extension YamlMapping: Equatable {
  package static func == (left: Self, right: Self) -> Bool {
    guard left.entries.count == right.entries.count else { return false }
    let values = Dictionary(right.entries.map { ($0.key.text, $0.value) }) { first, _ in first }
    return left.entries.allSatisfy { values[$0.key.text] == $0.value }
  }
}

extension YamlScalar {
  fileprivate func means(_ other: Self) -> Bool {
    // The same text read in the same way is the same value, although `.nan` is not equal to itself.
    text == other.text && (style == other.style && tag == other.tag || typed == other.typed)
  }
}
