public import NodeKit

/// Values under keys, which only transactions change: the model of a resource.
///
/// The coordinator holds the keys of a transaction from before `prepare` until `commit` is called or `abort` answered,
/// so what was found right at the first still is at the second, and there is nothing to reserve. The next transaction
/// may be prepared while the disk syncs, and counts on what is being written. After a crash `commit` may come again for
/// what is done already, and for the one before that: the entries say which transactions changed them last, also of
/// keys that are gone.
public final class Ledger {
  private static let prefix = "k/"
  private static let listLimit = 1_000

  private let context: RoleContext
  private let settings: LedgerSettings
  private var entries: [String: LedgerEntry] = [:]
  private var gone = GoneKeys()
  /// On the way to the disk.
  private var coming: [String: LedgerEntry] = [:]
  private var isLoaded = false

  public init(_ context: RoleContext, _ settings: LedgerSettings) {
    (self.context, self.settings) = (context, settings)
  }

  public func start() throws {
    try context.store.scan(prefix: Self.prefix) { [self] (stored: Stored<[UInt8]>) in
      do {
        try take(String(stored.name.dropFirst(Self.prefix.count)), LedgerEntry(stored.value), stored.revision)
      } catch {
        throw RoleError(.dataLoss, "\(stored.name) cannot be read")
      }
    } then: { [self] result in
      switch result {
      case .success:
        gone.sort()
        isLoaded = true
      case .failure(let error): context.fail(error.status, "the ledger cannot be read: \(error.message)")
      }
    }
  }

  /// What the disk has now.
  private func take(_ key: String, _ entry: LedgerEntry, _ revision: UInt64) {
    if entry.isGone {
      entries[key] = nil
      gone.add(key, entry, revision: revision)
    } else {
      gone.remove(key)
      entries[key] = entry
    }
  }

  private func checkLoaded() throws {
    guard isLoaded else { throw RoleError(.unavailable, "the ledger is still being read") }
  }

  // MARK: Reading

  private static func json(_ key: String, _ entry: LedgerEntry) -> JSON {
    [
      "key": .string(key), "value": entry.value ?? .null, "version": .int(entry.version),
      "transaction": .string(entry.transaction),
    ]
  }

  public func get(_ key: String) throws -> JSON {
    try checkLoaded()
    guard let entry = entries[key] else { throw RoleError(.notFound, "there is no key \(key)", at: key) }
    return Self.json(key, entry)
  }

  public func list(_ prefix: String, _ after: String, _ limit: Int) throws -> JSON {
    try checkLoaded()
    let keys = entries.keys.filter { $0.hasPrefix(prefix) && $0 > after }.sorted()
    let page = keys.prefix(max(1, min(limit, Self.listLimit)))
    return [
      "entries": .array(page.map { Self.json($0, entries[$0]!) }), "more": .bool(page.count < keys.count),
    ]
  }

  // MARK: Transactions

  public func prepare(_ transaction: String, _ changes: PassedJSON) throws -> PassedJSON {
    try checkLoaded()
    let changes = try LedgerChange.list(changes.read())
    // It comes again when the coordinator's role was started anew.
    guard !isDone(transaction, changes, { coming[$0] ?? entries[$0] ?? gone[$0] }) else { return Self.yes }
    let results = try results(of: changes) { coming[$0] ?? entries[$0] }
    guard changes.contains(where: { $0.action != .check }) else { return Self.readOnly }
    try checkRoom(results)
    return Self.yes
  }

  private static let yes = PassedJSON(text: "{\"vote\":\"yes\",\"overlaps\":true}")
  private static let readOnly = PassedJSON(text: "{\"vote\":\"read_only\"}")
  private static let done = PassedJSON(text: "{}")

  private func isDone(_ transaction: String, _ changes: [LedgerChange], _ entry: (String) -> LedgerEntry?) -> Bool {
    changes.contains { entry($0.key)?.was(transaction) == true }
  }

  /// Each change sees what those before it have done.
  private func results(
    of changes: [LedgerChange], _ entry: (String) -> LedgerEntry?
  ) throws -> [(key: String, value: JSON?)] {
    var results: [(key: String, value: JSON?)] = []
    for change in changes {
      var before = entry(change.key)
      if before?.isGone == true { before = nil }
      if let earlier = results.last(where: { $0.key == change.key }) {
        before = earlier.value.map { LedgerEntry(value: $0, version: (before?.version ?? 0) + 1, transaction: "") }
      }
      let value = try change.result(of: before)
      if change.action != .check { results.append((change.key, value)) }
    }
    return results
  }

  private func checkRoom(_ results: [(key: String, value: JSON?)]) throws {
    var added = 0
    for (key, value) in results {
      if let value, value.description.utf8.count > settings.valueBytes {
        throw RoleError(.resourceExhausted, "the value of \(key) is larger than `value_bytes` says", at: key)
      }
      if entries[key] == nil, value != nil { added += 1 }
    }
    guard entries.count + added <= settings.keysLimit else {
      throw RoleError(.resourceExhausted, "there are \(entries.count) keys, and `keys_limit` allows no more")
    }
  }

  public func commit(_ transaction: String, _ changes: PassedJSON, _ reply: Reply<PassedJSON>) throws {
    try checkLoaded()
    let changes = try LedgerChange.list(changes.read())
    guard !isDone(transaction, changes, { entries[$0] ?? gone[$0] }) else { return reply.send(Self.done) }
    var new: [String: LedgerEntry] = [:]
    for (key, value) in try results(of: changes, { entries[$0] }) {
      let before = entries[key] ?? gone[key]
      let version = value == nil ? 0 : (entries[key]?.version ?? 0) + 1
      new[key] = LedgerEntry(
        value: value, version: version, transaction: transaction, previous: before?.transaction ?? "")
    }
    let forgotten = gone.takeOldest { coming[$0] != nil || new[$0] != nil }
    coming.merge(new) { $1 }
    try context.store.commit { commit in
      for key in forgotten { commit.delete(Self.prefix + key) }
      for key in new.keys.sorted() { commit.put(Self.prefix + key, new[key]!.bytes) }
    } then: { [self] result in
      for (key, entry) in new where coming[key] == entry { coming[key] = nil }
      switch result {
      case .success(let revision):
        for (key, entry) in new { take(key, entry, revision) }
        reply.send(Self.done)
      case .failure(let error):
        reply.fail(error.status, "the ledger cannot be written: \(error.message)")
        // A store that has failed is opened anew with the role.
        if error.status != .resourceExhausted { context.fail(error.status, error.message) }
      }
    }
  }

  /// Nothing was reserved.
  public func abort(_ transaction: String, _ changes: PassedJSON) -> PassedJSON { Self.done }

  public func health() -> Health { isLoaded ? .ok : .degraded("it is still being read") }
}
