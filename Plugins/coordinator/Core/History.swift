internal import NodeKit

/// A transaction that is over, as a node remembers it.
struct PastTransaction: Equatable {
  enum End: Equatable {
    case decided(Decision)
    /// The node has promised never to vote for it.
    case refused
  }
  var end: End
  /// Milliseconds since 1970.
  var at: Int64
  /// What a person has decided here before the outcome was known.
  var heuristic: Heuristic?

  /// The person was wrong.
  var isDamaged: Bool {
    guard let heuristic, case .decided(let decision) = end else { return false }
    return heuristic.outcome != decision.outcome
  }
  var decision: Decision? { if case .decided(let decision) = end { decision } else { nil } }
}

/// The last transactions that are over, so many as the settings say; those that went wrong are never forgotten.
struct History {
  private struct Place {
    var number: UInt64
    var past: PastTransaction
  }

  let limit: Int
  private var places: [String: Place] = [:]
  /// By age; those before `head` are forgotten.
  private var order: [(number: UInt64, id: String)] = []
  private var head = 0
  private(set) var damaged: [String: PastTransaction] = [:]

  init(limit: Int) { self.limit = limit }

  var count: Int { places.count }
  subscript(id: String) -> PastTransaction? { damaged[id] ?? places[id]?.past }

  func newest(_ count: Int) -> [(id: String, past: PastTransaction)] {
    order[head...].suffix(count).reversed().compactMap { entry in places[entry.id].map { (entry.id, $0.past) } }
  }

  /// Adds it, or changes what is known of it, in memory and on the disk.
  mutating func put(_ id: String, _ past: PastTransaction, _ write: inout StoreWrite) {
    let bytes = past.bytes(id)
    if past.isDamaged {
      damaged[id] = past
      write.put(StoredRecords.damaged(id), bytes)
    }
    if let known = places[id] {
      places[id]!.past = past
      return write.put(StoredRecords.past(known.number), bytes)
    }
    let number = (order.last?.number ?? 0) + 1
    add(id, past, number)
    write.put(StoredRecords.past(number), bytes)
    while places.count > limit { forgetOldest(&write) }
  }

  private mutating func forgetOldest(_ write: inout StoreWrite) {
    let oldest = order[head]
    places[oldest.id] = nil
    write.delete(StoredRecords.past(oldest.number))
    head += 1
    guard head > limit else { return }
    order.removeFirst(head)
    head = 0
  }

  private mutating func add(_ id: String, _ past: PastTransaction, _ number: UInt64) {
    places[id] = Place(number: number, past: past)
    order.append((number, id))
  }

  // MARK: At the start

  mutating func load(number: UInt64, _ bytes: [UInt8]) throws(MalformedBytes) {
    let (id, past) = try PastTransaction.read(bytes)
    add(id, past, number)
  }

  mutating func load(damaged bytes: [UInt8]) throws(MalformedBytes) {
    let (id, past) = try PastTransaction.read(bytes)
    damaged[id] = past
  }
}

extension PastTransaction {
  func bytes(_ id: String) -> [UInt8] {
    StoredRecords.write {
      $0.add(counted: id)
      $0.add(at)
      $0.add(list: decision.map { [$0] } ?? []) { $0.add($1) }
      $0.add(list: heuristic.map { [$0] } ?? []) { $0.add($1) }
    }
  }

  static func read(_ bytes: [UInt8]) throws(MalformedBytes) -> (id: String, past: PastTransaction) {
    try StoredRecords.read(bytes) { (reader: inout ByteReader) throws(MalformedBytes) in
      let id = try reader.text(), at: Int64 = try reader.number()
      let decision = try reader.list { (reader: inout ByteReader) throws(MalformedBytes) in try reader.decision() }
        .first
      let heuristic = try reader.list { (reader: inout ByteReader) throws(MalformedBytes) in try reader.heuristic() }
        .first
      return (id, PastTransaction(end: decision.map { .decided($0) } ?? .refused, at: at, heuristic: heuristic))
    }
  }
}
