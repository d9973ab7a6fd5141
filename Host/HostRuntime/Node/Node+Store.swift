import CNodeABI
import HostCore
import NodeSchema
import NodeValues

/// Roles' stores, as they are seen and changed from outside. A store can be looked into whether or not its role runs
/// or is still on the node.
extension Node {
  func answer(_ query: StoreQuery, of name: String, _ reply: @escaping Reply) {
    if query.changes, !allowsChanges("this node's stores are not changed from outside", reply) { return }
    guard let store = services.stores.present(of: name) else {
      let names = services.stores.roles
      let near = nearestWord(to: name, among: names).map { "; did you mean `\($0)`?" }
      let list = names.isEmpty ? "; no role of this node has" : "; these have one: \(names.joined(separator: ", "))"
      return reply(.failure(.init(.notFound, "the role `\(name)` has no store\(near ?? list)", place: name)))
    }
    StoreVisit(store, query) { [control] answer in control.post { reply(answer) } }.begin()
  }
}

/// One question at the control socket. It lives on the store's thread until it is answered.
private final class StoreVisit: StoreClient, @unchecked Sendable {
  private let store: any RoleStore
  private let query: StoreQuery
  private let done: @Sendable (ControlReply) -> Void
  private var entries: [JSON] = []
  private var bytes = 0

  init(_ store: any RoleStore, _ query: StoreQuery, _ done: @escaping @Sendable (ControlReply) -> Void) {
    self.store = store
    self.query = query
    self.done = done
  }

  func begin() {
    if let fault { return done(.failure(.init(.invalidArgument, fault, place: store.role))) }
    let kind: StoreRequest.Kind =
      switch query {
      case .list(let page):
        // One more tells whether there is more.
        .scan(StoreRange(from: page.range.from, to: page.range.to, limit: UInt64(page.limit) + 1))
      case .get(let key): .get(key)
      case .put(let key, let value, let expected): .commit(commit(key, expected) { $0.put(key, value) })
      case .delete(let key, let expected): .commit(commit(key, expected) { $0.delete(key) })
      }
    store.send([StoreRequest(kind, number: 1, by: self)])
  }

  private var fault: String? {
    switch query {
    case .put(let key, _, _), .get(let key), .delete(let key, _):
      key.count > StoreCommit.keyLimit ? "the key is \(key.count) bytes long; at most \(StoreCommit.keyLimit)" : nil
    case .list: nil
    }
  }

  private func commit(_ key: [UInt8], _ expected: UInt64?, _ change: (inout StoreCommit) -> Void) -> StoreCommit {
    var commit = StoreCommit()
    if let expected { commit.expect(key, revision: expected) }
    change(&commit)
    return commit
  }

  func take(_ answers: [StoreAnswer]) {
    for answer in answers {
      switch answer.content {
      case .done(let revision): done(.json(["revision": JSON(Int64(clamping: revision))]))
      case .value(let value, let revision):
        store.taken(answer.heldBytes)
        guard case .get(let key) = query else { continue }
        done(.json(StoreEntryReport(key: key, value: value, size: value.count, revision: revision).json))
      case .entries(let list): if !add(list) { return finish(hasMore: true) }
      case .end: finish(hasMore: false)
      case .failure(let failure):
        let code = StatusCode(rawValue: failure.status) ?? .unknown
        done(.failure(.init(code, failure.message, place: store.role)))
      }
    }
  }

  /// False when the page is full and something is left.
  private func add(_ list: [StoreEntry]) -> Bool {
    guard case .list(let page) = query else { return true }
    for entry in list {
      guard entries.count < page.limit, bytes < StorePage.byteLimit else {
        store.endScan(1, of: self)
        return false
      }
      let value = page.withValues ? entry.value : nil
      bytes += entry.key.count + (value?.count ?? 0)
      entries.append(
        StoreEntryReport(key: entry.key, value: value, size: entry.value.count, revision: entry.revision).json)
    }
    store.goOn(1, of: self)
    return true
  }

  private func finish(hasMore: Bool) {
    done(.json(["role": .string(store.role), "entries": .array(entries), "more": .bool(hasMore)]))
  }
}
