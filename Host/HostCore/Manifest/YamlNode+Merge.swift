extension YamlNode {
  package static let mergeKey = "<<"

  /// Resolves merge keys: `<<: *base` or `<<: [*one, *two]`. A mapping's own keys win, then the earlier of the list.
  ///
  /// The reader has counted what aliases bring, so the result is no larger than its limit of nodes.
  package func resolvingMerges(into log: FaultLog) -> YamlNode {
    var node = self
    switch content {
    case .scalar: break
    case .list(let items): node.content = .list(items.map { $0.resolvingMerges(into: log) })
    case .mapping(let mapping):
      let entries = mapping.entries.map { YamlEntry(key: $0.key, value: $0.value.resolvingMerges(into: log)) }
      node.content = .mapping(YamlMapping(Self.merged(entries, into: log)))
    }
    return node
  }

  private static func merged(_ entries: [YamlEntry], into log: FaultLog) -> [YamlEntry] {
    guard let merge = entries.first(where: \.key.isMerge) else { return entries }
    var result = entries.filter { !$0.key.isMerge }
    var known = Set(result.map(\.key.text))
    for base in merge.value.list ?? [merge.value] {
      guard let mapping = base.mapping else {
        log.add(
          "`<<` cannot merge \(base.kind)", at: base.alias ?? base.place,
          expected: .described("a mapping, such as `*name` stands for, or a list of such"))
        continue
      }
      for entry in mapping.entries where known.insert(entry.key.text).inserted { result.append(entry) }
    }
    return result
  }
}
