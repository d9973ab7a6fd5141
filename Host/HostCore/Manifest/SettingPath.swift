/// The path of `--set path=value`: keys, role names and list indices with dots between, `\.` for a dot in a name.
/// `roles.gateway.config.ttl` and `roles[0].config.ttl` are both understood.
package struct SettingPath: Sendable, Equatable {
  package struct Step: Sendable, Equatable {
    package var text: String
    /// Where it begins in the argument.
    package var offset: Int
  }

  /// The tree is nested no deeper than this.
  package static let limit = 64

  package var steps: [Step]
  /// Where the value begins.
  package var valueOffset: Int

  /// Nil if the argument has no `=`, an empty step, too many steps, or brackets that do not match.
  package init?(argument: String) {
    let bytes = Array(argument.utf8)
    guard let equals = bytes.firstIndex(of: UInt8(ascii: "=")) else { return nil }
    valueOffset = equals + 1
    steps = []
    var current: [UInt8] = []
    var start = 0
    var offset = 0
    var isIndex = false
    func step() -> Step { Step(text: String(decoding: current, as: UTF8.self), offset: start) }
    while offset < equals {
      switch bytes[offset] {
      case UInt8(ascii: "\\") where offset + 1 < equals:
        current.append(bytes[offset + 1])
        offset += 1
      case UInt8(ascii: "."), UInt8(ascii: "["):
        guard !isIndex else { return nil }
        steps.append(step())
        current = []
        start = offset + 1
        isIndex = bytes[offset] == UInt8(ascii: "[")
      case UInt8(ascii: "]"):
        guard isIndex, ".[=".utf8.contains(bytes[offset + 1]) else { return nil }
        isIndex = false
      default: current.append(bytes[offset])
      }
      offset += 1
    }
    steps.append(step())
    guard !isIndex, steps.count <= Self.limit, steps.allSatisfy({ !$0.text.isEmpty }) else { return nil }
  }
}

extension YamlNode {
  /// Puts a value at a path. Mappings on the way are made if they are missing; list items and roles must be there.
  package func setting(_ path: SettingPath, to value: YamlNode, source: Int32) throws(Fault) -> YamlNode {
    try setting(path.steps[...], to: value, source: source, isRoles: false, isTop: true)
  }

  private func setting(
    _ steps: ArraySlice<SettingPath.Step>, to value: YamlNode, source: Int32, isRoles: Bool, isTop: Bool
  ) throws(Fault) -> YamlNode {
    guard let step = steps.first else { return value }
    let place = SourcePlace(source: source, offset: step.offset)
    var node = self
    switch content {
    case .list(var items):
      let index = try Self.index(of: step.text, in: items, isRoles: isRoles, at: place)
      items[index] = try items[index].setting(
        steps.dropFirst(), to: value, source: source, isRoles: false, isTop: false)
      node.content = .list(items)
    case .mapping(var mapping):
      let isRoles = isTop && step.text == "roles"
      let index = mapping.entries.firstIndex { $0.key.text == step.text }
      let child = index.map { mapping.entries[$0].value } ?? YamlNode(.mapping(YamlMapping()), at: place)
      let changed = try child.setting(steps.dropFirst(), to: value, source: source, isRoles: isRoles, isTop: false)
      if let index {
        mapping.entries[index].value = changed
        if steps.count == 1 { mapping.entries[index].key.place = place }
      } else {
        mapping.entries.append(YamlEntry(key: YamlKey(step.text, at: place), value: changed))
      }
      node.content = .mapping(mapping)
    case .scalar where isNull:
      let empty = YamlNode(.mapping(YamlMapping()), at: place)
      return try empty.setting(steps, to: value, source: source, isRoles: false, isTop: isTop)
    case .scalar:
      throw Fault(
        "there is no `\(step.text)` below a single value", at: place,
        related: [Fault.Related("the value", at: self.place)])
    }
    return node
  }

  private static func index(
    of step: String, in items: [YamlNode], isRoles: Bool, at place: SourcePlace
  ) throws(Fault) -> Int {
    if isRoles, let index = items.firstIndex(where: { $0.roleName == step }) { return index }
    if let index = Int(step), items.indices.contains(index) { return index }
    if isRoles {
      throw Fault("no role `\(step)`", at: place, expected: .oneOf(items.compactMap(\.roleName)), word: step)
    }
    let has = items.isEmpty ? "the list is empty" : "an index from 0 to \(items.count - 1)"
    throw Fault("no item `\(step)` in the list", at: place, expected: .described(has))
  }

  /// What an entry of `roles` is called by.
  private var roleName: String? { (self["name"] ?? self["role"])?.scalar?.text }
}
