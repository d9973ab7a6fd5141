import HostCore

/// Builds the tree from events and checks what libyaml does not.
struct YamlTreeBuilder {
  private(set) var root: YamlNode?
  /// Whether a merge key was seen; most documents have none and are spared the walk.
  private(set) var hasMerges = false

  /// A list or mapping whose end has not come yet.
  private struct Open {
    var place: SourcePlace
    var anchor: String?
    var isMapping: Bool
    var items: [YamlNode] = []
    var entries: [YamlEntry] = []
    var key: YamlKey?
    /// Only for mappings beyond `smallMapping`, where a walk for each key would be slow.
    var keys: [String: SourcePlace] = [:]
    /// Nodes and levels inside, itself included.
    var size = 1
    var height = 1
  }

  private struct Anchored {
    var node: YamlNode
    var size: Int
    var height: Int
  }

  private static let smallMapping = 12
  private static let listedAnchors = 64

  private let text: SourceText
  private let source: Int32
  private let limits: YamlLimits
  private let log: FaultLog
  private var open: [Open] = []
  private var anchors: [String: Anchored] = [:]
  private var hasDocument = false
  private var nodes = 0

  init(text: SourceText, source: Int32, limits: YamlLimits, log: FaultLog) {
    self.text = text
    self.source = source
    self.limits = limits
    self.log = log
  }

  mutating func take(_ event: YamlEvent, mask: YamlMask) throws(Fault) {
    switch event.kind {
    case .documentStart:
      guard !hasDocument else {
        throw Fault("a second document begins here", at: event.place, expected: .described("one document in the file"))
      }
      hasDocument = true
    case .scalar: try takeScalar(event, mask.unmasked(event.bytes))
    case .alias: try takeAlias(event)
    case .listStart, .mappingStart: try begin(event)
    case .listEnd, .mappingEnd: try end()
    }
  }

  private mutating func takeScalar(_ event: YamlEvent, _ text: String) throws(Fault) {
    var scalar = YamlScalar(text, style: event.isPlain ? .plain : .quoted)
    if let tag = event.tag, tag != "!" {
      scalar.tag = Self.shortTag(tag).flatMap { YamlScalar.Tag(rawValue: $0) }
      if scalar.tag == nil { logUnknownTag(tag, at: event.place) }
    } else if event.tag == "!" {
      scalar.tag = .str
    }
    if !text.utf8.contains(UInt8(ascii: "$")), scalar.typed == nil {
      log.add("`\(text)` does not fit the tag !!\(scalar.tag?.rawValue ?? "")", at: event.place)
    }
    let node = YamlNode(.scalar(scalar), at: event.place)
    if let anchor = event.anchor { anchors[anchor] = Anchored(node: node, size: 1, height: 0) }
    try add(node, size: 1, height: 0)
  }

  private mutating func takeAlias(_ event: YamlEvent) throws(Fault) {
    let name = event.anchor ?? ""
    guard let anchored = anchors[name] else {
      if let around = open.first(where: { $0.anchor == name }) {
        throw Fault(
          "the alias `*\(name)` stands inside what it repeats", at: event.place,
          related: [Fault.Related("`&\(name)` begins here", at: around.place)])
      }
      log.add(
        "no anchor `&\(name)` comes before this alias", at: event.place,
        expected: knownAnchors, word: name)
      let missing = YamlNode(.scalar(YamlScalar("", style: .plain)), at: event.place)
      return try add(missing, size: 1, height: 0)
    }
    guard open.count + anchored.height <= limits.nesting else { throw tooDeep(event.place) }
    var node = anchored.node
    node.alias = event.place
    try add(node, size: anchored.size, height: anchored.height)
  }

  /// Every fault keeps its list, so it must not be long.
  private var knownAnchors: Fault.Expectation {
    anchors.isEmpty || anchors.count > Self.listedAnchors ? .unsaid : .oneOf(anchors.keys.sorted())
  }

  private mutating func begin(_ event: YamlEvent) throws(Fault) {
    guard open.count < limits.nesting else { throw tooDeep(event.place) }
    let isMapping = event.kind == .mappingStart
    if let tag = event.tag, Self.shortTag(tag) != (isMapping ? "map" : "seq") { logUnknownTag(tag, at: event.place) }
    // An alias inside must not find an older anchor of this name.
    if let anchor = event.anchor { anchors[anchor] = nil }
    open.append(Open(place: event.place, anchor: event.anchor, isMapping: isMapping))
  }

  private mutating func end() throws(Fault) {
    guard let done = open.popLast() else { return }
    let content: YamlNode.Content = done.isMapping ? .mapping(YamlMapping(done.entries)) : .list(done.items)
    let node = YamlNode(content, at: done.place)
    if let anchor = done.anchor { anchors[anchor] = Anchored(node: node, size: done.size, height: done.height) }
    // What is inside was counted when it was added.
    nodes -= done.size - 1
    try add(node, size: done.size, height: done.height)
  }

  private func tooDeep(_ place: SourcePlace) -> Fault {
    Fault("lists and mappings are nested deeper than \(limits.nesting) levels", at: place)
  }

  private static func shortTag(_ tag: String) -> String? {
    let prefix = "tag:yaml.org,2002:"
    return tag.hasPrefix(prefix) ? String(tag.dropFirst(prefix.count)) : nil
  }

  private func logUnknownTag(_ tag: String, at place: SourcePlace) {
    let shown = Self.shortTag(tag).map { "!!" + $0 } ?? tag
    log.add(
      "the tag `\(shown)` does not fit here", at: place,
      expected: .described("no tag, or !!str, !!int, !!float, !!bool, !!null, !!seq or !!map on what they name"))
  }
}

/// Putting finished nodes where they belong.
extension YamlTreeBuilder {
  private mutating func add(_ node: YamlNode, size: Int, height: Int) throws(Fault) {
    nodes += size
    guard nodes <= limits.nodes else {
      throw Fault(
        "the document has more than \(limits.nodes) values, those that aliases repeat included",
        at: node.alias ?? node.place)
    }
    guard let top = open.indices.last else {
      root = node
      return
    }
    open[top].size += size
    open[top].height = max(open[top].height, height + 1)
    if !open[top].isMapping {
      open[top].items.append(node)
    } else if let key = open[top].key {
      open[top].key = nil
      addEntry(YamlEntry(key: key, value: node), to: top)
    } else {
      open[top].key = try key(from: node)
    }
  }

  private func key(from node: YamlNode) throws(Fault) -> YamlKey {
    let place = node.alias ?? node.place
    guard let scalar = node.scalar else {
      throw Fault("\(node.kind) cannot be a key", at: place, expected: .described("text before the colon"))
    }
    return YamlKey(
      scalar.text, at: place, isMerge: scalar.text == YamlNode.mergeKey && scalar.style == .plain)
  }

  private mutating func addEntry(_ entry: YamlEntry, to top: Int) {
    let key = entry.key
    if key.isMerge { hasMerges = true }
    if let first = place(ofKey: key.text, in: top) {
      let position = text.position(of: Int(first.offset))
      log.add(
        "the key `\(key.text)` stands here twice; the first is on line \(position.line)", at: key.place,
        related: [Fault.Related("the first `\(key.text)`", at: first)])
      return
    }
    open[top].entries.append(entry)
    if !open[top].keys.isEmpty { open[top].keys[key.text] = key.place }
  }

  private mutating func place(ofKey key: String, in top: Int) -> SourcePlace? {
    if open[top].entries.count < Self.smallMapping {
      return open[top].entries.first { $0.key.text == key }?.key.place
    }
    if open[top].keys.isEmpty {
      for entry in open[top].entries { open[top].keys[entry.key.text] = entry.key.place }
    }
    return open[top].keys[key]
  }
}
