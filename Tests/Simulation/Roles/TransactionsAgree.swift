import HostRuntime
import NodeValues
package import Simulator

/// Invariants of transactions, as the disks of the nodes show them, and what those who proposed were told.
package final class TransactionsAgree: WorldWatcher {
  package static let atomic = "all of it or none, for good"
  package static let once = "what is over is not prepared anew"
  package static let promises = "promises are kept"
  package static let settled = "nothing stays in doubt when all is well"

  /// At the end of a run, when nothing has been amiss for 20 s, nobody is in doubt for longer than this.
  private static let doubtLimit: Int64 = 5_000_000_000
  private static let coordinator = "coordinator"

  private struct Seen {
    var commits = -1
    /// The number of the last `h/` that was looked at.
    var lastPast: UInt64 = 0
    var over: Set<String> = []
    var prepared: [String: Int64] = [:]
    var promise: [UInt64] = [0, 0]
  }

  private static let lookEvery: Int64 = 15_000_000

  private let end: Int64
  private var nextLook: Int64 = 0
  private var isWatching = false
  private var isOver = false
  private var seen: [Int: Seen] = [:]
  private var outcomes: [String: UInt8] = [:]
  /// Those that some disk has known of.
  private var known: Set<String> = []
  private var told: [String: (outcome: UInt8, at: Int64)] = [:]
  package private(set) var committed = 0
  package private(set) var aborted = 0
  package private(set) var sumsLookedAt = 0
  /// How often a disk had one that followed another.
  package private(set) var followers = 0

  package init(minutes: Double) { end = Int64(minutes * 60_000_000_000) - 100_000_000 }

  package func worldMoved(_ world: World) {
    if !isWatching {
      isWatching = true
      world.observers.append { [unowned self, unowned world] in observe($0, world) }
    }
    // Looking costs more than what happens in between.
    guard world.now >= nextLook else { return }
    nextLook = world.now + Self.lookEvery
    var isMoved = false
    for node in world.nodes where node.commits != seen[node.number]?.commits ?? -1 {
      isMoved = true
      look(node, world)
    }
    if isMoved { lookAtSums(world) }
    if world.now >= end, !isOver {
      isOver = true
      finish(world)
    }
  }

  // MARK: What was told

  private func observe(_ observation: Observation, _ world: World) {
    guard ["teller.told", "coordinator.decided"].contains(observation.topic),
      let json = try? JSON(parsing: observation.text), let id = json["txid"]?.string
    else { return }
    let outcome: UInt8 = json["outcome"]?.string == "COMMIT" ? 1 : 2
    note(id, outcome, observation.topic == "teller.told" ? "its proposer is told" : "its coordinator says", world)
    guard observation.topic == "teller.told" else { return }
    if told[id] == nil {
      if outcome == 1 { committed += 1 } else { aborted += 1 }
      told[id] = (outcome, observation.time)
    }
  }

  private func note(_ id: String, _ outcome: UInt8, _ by: String, _ world: World) {
    guard let before = outcomes[id] else {
      outcomes[id] = outcome
      return
    }
    guard before != outcome else { return }
    let words = before == 1 ? ("committed", "abort") : ("aborted", "commit")
    world.fail(Self.atomic, "\(id) is \(words.0), and \(by) \(words.1)")
  }

  // MARK: What lies on the disks

  private func look(_ node: SimNode, _ world: World) {
    var now = seen.removeValue(forKey: node.number) ?? Seen()
    var newlyOver: [String] = []
    now.commits = node.commits
    let table = node.stored(of: Self.coordinator)
    // A record may have changed a little after it came.
    var number = now.lastPast > Self.lookBack ? now.lastPast - Self.lookBack : 1
    while let entry = table.get(Self.pastKey(number)) {
      now.lastPast = max(now.lastPast, number)
      number += 1
      guard let past = Stored.past(entry.value) else { continue }
      known.insert(past.id)
      if let outcome = past.outcome {
        newlyOver.append(past.id)
        note(past.id, outcome, "\(node.name) says", world)
      }
    }
    lookAtPrepared(table, node, &now, world)
    // What came together may have come in either order.
    now.over.formUnion(newlyOver)
    if let promise = table.get(Array("promise".utf8)).flatMap({ Stored.ballot($0.value) }) {
      if promise.lexicographicallyPrecedes(now.promise) {
        world.fail(Self.promises, "\(node.name) goes back from ballot \(now.promise) to \(promise)")
      }
      now.promise = promise
    }
    seen[node.number] = now
  }

  private static let lookBack: UInt64 = 32

  private static func pastKey(_ number: UInt64) -> [UInt8] {
    Array("h/".utf8) + (0..<8).map { UInt8(truncatingIfNeeded: number >> (56 - 8 * $0)) }
  }

  private func lookAtPrepared(_ table: StoreTable, _ node: SimNode, _ now: inout Seen, _ world: World) {
    var prepared: [String: Int64] = [:], holders: [String: [Stored.Prepared]] = [:]
    for entry in table.entries(in: StoreRange(from: Array("p/".utf8), to: Array("p0".utf8))) {
      guard let transaction = Stored.transaction(entry.value) else {
        world.fail(Self.atomic, "\(node.name) has a record that cannot be read")
        continue
      }
      known.insert(transaction.id)
      if now.prepared[transaction.id] == nil, now.over.contains(transaction.id) {
        world.fail(Self.once, "\(node.name) prepares \(transaction.id), which it knows to be over")
      }
      prepared[transaction.id] = now.prepared[transaction.id] ?? world.now
      for key in transaction.keys { holders[key, default: []].append(transaction) }
    }
    for (key, holders) in holders where holders.count > 1 { lookAtHolders(holders, of: key, node, world) }
    now.prepared = prepared
  }

  /// Two may have a key if one is being carried out and the other follows it.
  private func lookAtHolders(_ holders: [Stored.Prepared], of key: String, _ node: SimNode, _ world: World) {
    let words = "\(node.name) is prepared for \(holders.map(\.id).joined(separator: " and ")), which all change \(key)"
    guard holders.count == 2,
      let later = holders.firstIndex(where: { $0.behind.contains(holders[0].id) })
        ?? (holders[0].behind.contains(holders[1].id) ? 0 : nil)
    else { return world.fail(Self.atomic, words) }
    let first = holders[1 - later]
    followers += 1
    if outcomes[first.id] == 2 {
      world.fail(Self.atomic, "\(words), and \(holders[later].id) follows \(first.id), which is aborted")
    }
  }

  /// When nobody is prepared, all that was committed is carried out on all nodes.
  private func lookAtSums(_ world: World) {
    guard seen.values.allSatisfy({ $0.prepared.isEmpty }) else { return }
    sumsLookedAt += 1
    var sum: Int64 = 0
    for node in world.nodes {
      let range = StoreRange(from: Array("k/a".utf8), to: Array("k/b".utf8))
      for entry in node.stored(of: "ledger").entries(in: range) { sum += Stored.amount(entry.value) ?? 0 }
    }
    if sum != 0 { world.fail(Self.atomic, "nobody is in doubt, and all accounts together have \(sum)") }
    lookAtPages(world)
  }

  /// What is written on all nodes is the same on all of them, so each has carried it out in the same order.
  private func lookAtPages(_ world: World) {
    let range = StoreRange(from: Array("k/p".utf8), to: Array("k/q".utf8))
    let pages = world.nodes.map { $0.stored(of: "ledger").entries(in: range).map { Stored.text(of: $0) } }
    for (node, page) in zip(world.nodes, pages) where page != pages[0] {
      world.fail(Self.atomic, "nobody is in doubt; \(world.nodes[0].name) has \(pages[0]), \(node.name) \(page)")
    }
  }

  private func finish(_ world: World) {
    for node in world.nodes {
      for (id, since) in (seen[node.number]?.prepared ?? [:]).sorted(by: { $0.key < $1.key })
      where world.now - since > Self.doubtLimit {
        world.fail(Self.settled, "\(node.name) is prepared for \(id) since \(since / 1_000_000) ms")
      }
    }
    for (id, told) in told.sorted(by: { $0.key < $1.key })
    where told.outcome == 1 && world.now - told.at > Self.doubtLimit && !known.contains(id) {
      world.fail(Self.atomic, "\(id) was told to be committed, and no node knows of it")
    }
  }
}

/// The coordinator's and the ledger's records, as far as the invariants need them.
private struct Stored {
  private let bytes: [UInt8]
  private var place = 0

  private init(_ bytes: [UInt8]) { self.bytes = bytes }

  private mutating func number(_ size: Int) -> UInt64? {
    guard place + size <= bytes.count else { return nil }
    defer { place += size }
    return (0..<size).reduce(0) { $0 | UInt64(bytes[place + $1]) << (8 * UInt64($1)) }
  }

  private mutating func text() -> String? {
    guard let count = number(4).map({ Int($0) }), place + count <= bytes.count else { return nil }
    defer { place += count }
    return String(decoding: bytes[place..<(place + count)], as: UTF8.self)
  }

  /// Nil for what is no promise of this version.
  static func ballot(_ bytes: [UInt8]) -> [UInt64]? {
    var reader = Stored(bytes)
    guard reader.number(1) == 1, let term = reader.number(8), let run = reader.number(8) else { return nil }
    return [term, run]
  }

  /// `outcome` is nil for what was only refused.
  static func past(_ bytes: [UInt8]) -> (id: String, outcome: UInt8?)? {
    var reader = Stored(bytes)
    guard reader.number(1) == 1, let id = reader.text(), reader.number(8) != nil, let count = reader.number(4) else {
      return nil
    }
    guard count == 1, reader.text() != nil, let outcome = reader.number(1) else { return (id, nil) }
    return (id, UInt8(outcome))
  }

  struct Prepared {
    var id: String
    var keys: [String]
    var behind: [String]
  }

  static func transaction(_ bytes: [UInt8]) -> Prepared? {
    var reader = Stored(bytes)
    var behind: [String] = []
    switch reader.number(1) {
    case 1: break
    case 2:
      guard let count = reader.number(4) else { return nil }
      for _ in 0..<count {
        guard let id = reader.text() else { return nil }
        behind.append(id)
      }
    default: return nil
    }
    // Ballot, number, floor, and when it began.
    guard let id = reader.text(), (0..<7).allSatisfy({ _ in reader.number(8) != nil }), let members = reader.number(4)
    else { return nil }
    for _ in 0..<members where reader.number(4) == nil || reader.number(8) == nil { return nil }
    guard reader.number(4) != nil, let shares = reader.number(4) else { return nil }
    var all: [String] = []
    for _ in 0..<shares {
      guard let resource = reader.text(), let keys = reader.number(4) else { return nil }
      for _ in 0..<keys {
        guard let key = reader.text() else { return nil }
        all.append("\(resource)/\(key)")
      }
      guard reader.text() != nil else { return nil }
    }
    return Prepared(id: id, keys: Array(Set(all)).sorted(), behind: behind)
  }

  /// A key, the version, the transaction and the value.
  static func text(of entry: StoreEntry) -> String {
    var reader = Stored(entry.value)
    let key = String(decoding: entry.key, as: UTF8.self)
    guard reader.number(1) == 2, let version = reader.number(8), let transaction = reader.text(), reader.text() != nil
    else { return "\(key): \(entry.value)" }
    return "\(key): \(String(decoding: entry.value[reader.place...], as: UTF8.self)), \(version) by \(transaction)"
  }

  static func amount(_ bytes: [UInt8]) -> Int64? {
    var reader = Stored(bytes)
    guard reader.number(1) == 2, reader.number(8) != nil, reader.text() != nil, reader.text() != nil else { return nil }
    return Int64(String(decoding: bytes[reader.place...], as: UTF8.self))
  }
}
