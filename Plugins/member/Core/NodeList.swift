/// What a member knows of the registry: pure, so that it can be tried with any course of events.
///
/// A watch that begins with RESET is collected aside until it is in step, so that whoever asks meanwhile gets the list
/// as it was and never half of a new one. What then differs is told as changes, as if the watch had never broken.
package struct NodeList {
  package enum Change: Equatable {
    case joined(NodeRecord)
    case updated(NodeRecord)
    case left(NodeRecord, reason: String)
    case leader(Leadership)
  }

  /// What an event of a watch meant.
  package enum Taken: Equatable {
    case changes([Change])
    /// All that was there has been told; these are the differences.
    case synced([Change])
    /// It was told before.
    case repeated
    /// It is of another registry than the list: the watch must begin anew, from 0.
    case foreign
  }

  package private(set) var nodes: [Int32: NodeRecord] = [:]
  package private(set) var leadership = Leadership()
  /// Where a watch can go on; 0 if it has to begin anew.
  package private(set) var revision: UInt64 = 0
  package private(set) var registry: UInt64 = 0
  /// Nodes beyond are not taken, and counted.
  package let limit: Int
  package private(set) var left = 0

  private struct Aside {
    var nodes: [Int32: NodeRecord] = [:]
    var leadership = Leadership()
    var registry: UInt64 = 0
  }
  private var aside: Aside?

  package init(limit: Int = 100_000) { self.limit = limit }

  package init(_ nodes: [NodeRecord], _ leadership: Leadership, revision: UInt64, registry: UInt64, limit: Int) {
    self.init(limit: limit)
    for node in nodes.prefix(limit) { self.nodes[node.id] = node }
    (self.leadership, self.revision, self.registry) = (leadership, revision, registry)
  }

  /// In order of their ids.
  package var inOrder: [NodeRecord] { nodes.values.sorted { $0.id < $1.id } }

  // MARK: Watching

  package mutating func take(_ event: WatchEvent) -> Taken {
    guard let kind = event.kind else { return .changes([]) }
    if kind == .reset {
      aside = Aside(registry: event.registry)
      return .changes([])
    }
    if aside != nil { return collect(kind, event) }
    if event.registry != 0, registry != 0, event.registry != registry {
      revision = 0
      return .foreign
    }
    if kind == .synced {
      revision = max(revision, event.revision)
      if registry == 0 { registry = event.registry }
      return .synced([])
    }
    guard event.revision > revision else { return .repeated }
    revision = event.revision
    return .changes(follow(kind, event).map { [$0] } ?? [])
  }

  private mutating func follow(_ kind: WatchEvent.Kind, _ event: WatchEvent) -> Change? {
    switch (kind, event.node) {
    case (.leader, _): return lead(event.leadership)
    case (.left, let node?):
      return nodes.removeValue(forKey: node.id).map { .left($0, reason: event.reason) }
    case (.joined, let node?), (.updated, let node?), (.node, let node?):
      guard let old = nodes[node.id] else {
        guard hasRoom(nodes) else { return nil }
        nodes[node.id] = node
        return .joined(node)
      }
      nodes[node.id] = node
      return node.differs(from: old) ? .updated(node) : nil
    default: return nil
    }
  }

  private mutating func collect(_ kind: WatchEvent.Kind, _ event: WatchEvent) -> Taken {
    switch (kind, event.node) {
    case (.synced, _):
      guard let aside else { return .changes([]) }
      self.aside = nil
      let changes = replace(with: aside.nodes, aside.leadership)
      revision = event.revision
      registry = event.registry != 0 ? event.registry : aside.registry
      return .synced(changes)
    case (.leader, _): aside?.leadership = event.leadership
    case (.left, let node?): aside?.nodes[node.id] = nil
    case (_, let node?):
      if aside?.nodes[node.id] != nil || hasRoom(aside?.nodes ?? [:]) { aside?.nodes[node.id] = node }
    default: break
    }
    return .changes([])
  }

  private mutating func hasRoom(_ nodes: [Int32: NodeRecord]) -> Bool {
    guard nodes.count < limit else {
      left += 1
      return false
    }
    return true
  }

  /// The watch has ended; what was collected aside is of no use.
  package mutating func watchEnded() { aside = nil }

  // MARK: Asking

  /// All of it at once, from a gateway that cannot be watched.
  package mutating func replace(with all: [NodeRecord], _ leadership: Leadership) -> [Change] {
    var nodes: [Int32: NodeRecord] = [:]
    for node in all where nodes[node.id] != nil || hasRoom(nodes) { nodes[node.id] = node }
    // No watch could go on from here.
    (revision, registry) = (0, 0)
    return replace(with: nodes, leadership)
  }

  private mutating func replace(with others: [Int32: NodeRecord], _ leadership: Leadership) -> [Change] {
    var changes: [Change] = []
    for node in inOrder where others[node.id] == nil { changes.append(.left(node, reason: "gone")) }
    for node in others.values.sorted(by: { $0.id < $1.id }) {
      guard let old = nodes[node.id] else {
        changes.append(.joined(node))
        continue
      }
      if node.differs(from: old) { changes.append(.updated(node)) }
    }
    nodes = others
    if let change = lead(leadership) { changes.append(change) }
    return changes
  }

  private mutating func lead(_ new: Leadership) -> Change? {
    guard new != leadership else { return nil }
    leadership = new
    return .leader(new)
  }
}
