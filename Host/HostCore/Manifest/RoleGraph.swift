/// Checks that roles have different names and that `needs` leads to roles and never round.
struct RoleGraph {
  private let log: FaultLog
  /// In the order of the manifest, so that the same cycle is always told from the same role.
  private var names: [String] = []
  private var places: [String: SourcePlace] = [:]
  private var needs: [String: [TextItem]] = [:]

  init(log: FaultLog) { self.log = log }

  mutating func add(_ name: String, at place: SourcePlace, needs: [TextItem]) {
    if let first = places[name] {
      log.add(
        "two roles have the name `\(name)`", at: place, expected: .described("a `name` of its own for each role"),
        related: [Fault.Related("the first `\(name)`", at: first)])
      return
    }
    names.append(name)
    places[name] = place
    self.needs[name] = needs
  }

  func check() {
    for name in names {
      for need in needs[name] ?? [] where places[need.text] == nil {
        log.add(
          "`\(name)` needs `\(need.shown)`, which is no role here", at: need.place, expected: .oneOf(names),
          word: need.shown)
      }
    }
    findCycles()
  }

  private enum Visit { case open, done }

  /// A walk in depth without recursion, for a chain of needs may be as long as the list of roles.
  private func findCycles() {
    var visits: [String: Visit] = [:]
    for start in names where visits[start] == nil {
      var path = [(name: start, next: 0)]
      visits[start] = .open
      while let top = path.last {
        let needs = self.needs[top.name] ?? []
        guard top.next < needs.count else {
          visits[top.name] = .done
          path.removeLast()
          continue
        }
        path[path.count - 1].next += 1
        let need = needs[top.next]
        guard places[need.text] != nil else { continue }
        switch visits[need.text] {
        case nil:
          visits[need.text] = .open
          path.append((need.text, 0))
        case .open: logCycle(path.map(\.name), back: need)
        case .done: continue
        }
      }
    }
  }

  private func logCycle(_ path: [String], back need: TextItem) {
    let cycle = path.drop { $0 != need.text } + [need.text]
    let shown = cycle.prefix(Self.shownRoles).joined(separator: " → ")
    log.add("roles need each other in a circle: \(shown)\(cycle.count > Self.shownRoles ? " → …" : "")", at: need.place)
  }

  private static let shownRoles = 20
}

extension Manifest {
  /// The roles' indices so that each comes after those it needs, otherwise in the order of the manifest.
  package var startOrder: [Int] {
    let indices = Dictionary(roles.enumerated().map { ($0.element.name, $0.offset) }) { first, _ in first }
    var waiting = roles.map { role in Set(role.needs.compactMap { indices[$0] }).count }
    var dependents = [[Int]](repeating: [], count: roles.count)
    for (index, role) in roles.enumerated() {
      for need in Set(role.needs.compactMap { indices[$0] }) { dependents[need].append(index) }
    }
    var order: [Int] = []
    var ready = roles.indices.filter { waiting[$0] == 0 }
    var next = 0
    while next < ready.count {
      let index = ready[next]
      next += 1
      order.append(index)
      for dependent in dependents[index].sorted() {
        waiting[dependent] -= 1
        if waiting[dependent] == 0 { ready.append(dependent) }
      }
    }
    return order
  }
}
