import CNodeABI
import HostRuntime

/// The stores of one process.
final class SimStores: RoleStores, @unchecked Sendable {
  private unowned(unsafe) let node: SimNode
  private var open: [String: SimStore] = [:]

  init(_ node: SimNode) { self.node = node }

  func store(of role: String) -> (any RoleStore)? {
    if let known = open[role] { return known }
    let store = SimStore(role, node)
    open[role] = store
    return store
  }

  func present(of role: String) -> (any RoleStore)? { node.disk.tables[role] == nil ? nil : store(of: role) }
  var roles: [String] { node.disk.tables.keys.sorted() }
  func close(_ role: String) { open[role] = nil }
  func end() {}

  func vanish() {
    for role in open.keys.sorted() { open[role]!.vanish() }
    open = [:]
  }
}

/// A role's store: all that waits when a sync begins is one batch, which is on the disk when the sync ends, or not at
/// all.
final class SimStore: RoleStore, @unchecked Sendable {
  private static let sliceEntries = 256

  let role: String
  private unowned(unsafe) let node: SimNode
  private var waiting: [StoreRequest] = []
  /// The batch whose sync is under way.
  private var syncing: [StoreRequest] = []
  private var failure: StoreFailure?
  private var scans: [(request: StoreRequest, entries: ArraySlice<StoreEntry>, revision: UInt64)] = []
  private var isGone = false

  init(_ role: String, _ node: SimNode) { (self.role, self.node) = (role, node) }

  private var world: World { node.world }

  func prepare(_ done: @escaping @Sendable (StoreFailure?) -> Void) {
    world.after(takes()) { [self] in
      guard !isGone else { return }
      failure = nil
      if node.disk.tables[role] == nil { node.disk.tables[role] = StoreTable() }
      done(nil)
    }
  }

  func send(_ requests: [StoreRequest]) {
    guard !isGone else { return }
    waiting += requests
    if syncing.isEmpty { begin() }
  }

  private func takes() -> Int64 { Int64.random(in: node.disk.sync, using: &world.chance) }

  private func begin() {
    syncing = waiting
    waiting = []
    guard !syncing.isEmpty else { return }
    let writes = syncing.contains { if case .commit = $0.kind { true } else { false } }
    world.after(writes ? takes() : 20_000) { [self] in if !isGone { synced() } }
  }

  private func synced() {
    let batch = syncing
    let answers = run(batch)
    syncing = []
    post(batch, answers)
    begin()
  }

  private func post(_ batch: [StoreRequest], _ answers: [StoreAnswer]) {
    var place = 0
    while place < batch.count {
      let client = batch[place].client
      var end = place + 1
      while end < batch.count, batch[end].client === client { end += 1 }
      client.take(Array(answers[place..<end]))
      place = end
    }
  }

  private func run(_ batch: [StoreRequest]) -> [StoreAnswer] {
    write(batch).enumerated().map { place, answer in answer ?? read(batch[place]) }
  }

  /// The commits of a batch, together. Nil for what is no commit.
  private func write(_ batch: [StoreRequest]) -> [StoreAnswer?] {
    let commits = batch.map { request -> StoreCommit? in
      if case .commit(let commit) = request.kind { commit } else { nil }
    }
    guard commits.contains(where: { $0 != nil }) else { return commits.map { _ in nil } }
    if node.disk.fails {
      node.disk.fails = false
      failure = StoreFailure(status: NH_DATA_LOSS, message: "the disk of \(role)'s store failed while it was written")
    }
    let refusal =
      failure
      ?? (node.disk.isFull
        ? StoreFailure(status: NH_RESOURCE_EXHAUSTED, message: "the disk is full; nothing of the commit was written")
        : nil)
    return zip(batch, commits).map { request, commit in
      guard let commit else { return nil }
      if let refusal { return StoreAnswer(number: request.number, content: .failure(refusal)) }
      return StoreAnswer(number: request.number, content: content(of: commit))
    }
  }

  private func content(of commit: StoreCommit) -> StoreAnswer.Content {
    let outcome = node.disk.tables[role, default: StoreTable()].run([commit])[0]
    switch outcome {
    case .done(let revision):
      node.disk.commits += 1
      world.trace.note(.commit, world.now, node.number, revision, "\(role) commits revision \(revision)")
      return .done(revision: revision)
    case .unmet(let key):
      return .failure(StoreFailure(status: NH_ABORTED, message: "an expectation was not met", key: key))
    }
  }

  private func read(_ request: StoreRequest) -> StoreAnswer {
    if let failure { return StoreAnswer(number: request.number, content: .failure(failure)) }
    let table = node.disk.tables[role] ?? StoreTable()
    switch request.kind {
    case .commit, .get:
      guard case .get(let key) = request.kind, let entry = table.get(key) else {
        let missing = StoreFailure(status: NH_NOT_FOUND, message: "there is no such key")
        return StoreAnswer(number: request.number, content: .failure(missing))
      }
      return StoreAnswer(number: request.number, content: .value(entry.value, revision: entry.revision))
    case .scan(let range):
      let entries = table.entries(in: range)
      guard !entries.isEmpty else {
        return StoreAnswer(number: request.number, content: .end(revision: table.revision))
      }
      scans.append((request, entries.dropFirst(Self.sliceEntries), table.revision))
      return StoreAnswer(number: request.number, content: .entries(Array(entries.prefix(Self.sliceEntries))))
    }
  }

  func goOn(_ number: UInt64, of client: any StoreClient) {
    world.after(20_000) { [self] in
      guard !isGone, let place = place(of: number, client) else { return }
      let scan = scans[place]
      if scan.entries.isEmpty {
        scans.remove(at: place)
        client.take([StoreAnswer(number: number, content: .end(revision: scan.revision))])
      } else {
        scans[place].entries = scan.entries.dropFirst(Self.sliceEntries)
        let next = StoreAnswer(number: number, content: .entries(Array(scan.entries.prefix(Self.sliceEntries))))
        client.take([next])
      }
    }
  }

  private func place(of number: UInt64, _ client: any StoreClient) -> Int? {
    scans.firstIndex { $0.request.number == number && $0.request.client === client }
  }

  func taken(_ bytes: Int) {}
  func endScan(_ number: UInt64, of client: any StoreClient) {
    if let place = place(of: number, client) { scans.remove(at: place) }
  }

  /// The process is gone. What was being synced may have come to the disk or not, and nobody was told.
  func vanish() {
    isGone = true
    if !syncing.isEmpty, Bool.random(using: &world.chance) { _ = run(syncing) }
    (syncing, waiting, scans) = ([], [], [])
  }
}
