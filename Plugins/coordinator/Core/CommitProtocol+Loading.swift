internal import NodeKit

/// What the disk has, at the start.
extension CommitProtocol {
  /// Takes one entry of the store after the other, before ``start(fixed:)``.
  func load(_ key: [UInt8], _ value: [UInt8]) throws(MalformedBytes) {
    switch key.prefix(2) {
    case [UInt8(ascii: "h"), UInt8(ascii: "/")]:
      guard key.count == 10 else { throw MalformedBytes() }
      try history.load(number: key.dropFirst(2).reduce(0) { $0 << 8 | UInt64($1) }, value)
    case [UInt8(ascii: "d"), UInt8(ascii: "/")]:
      let decision = try StoredRecords.read(value) { (reader: inout ByteReader) throws(MalformedBytes) in
        try reader.decision()
      }
      records[decision.id] = decision
    case [UInt8(ascii: "p"), UInt8(ascii: "/")]: restore(try PreparedRecord(value))
    case [UInt8(ascii: "x"), UInt8(ascii: "/")]: try history.load(damaged: value)
    default:
      if key == StoredRecords.promise { promise = try PromiseRecord(value) }
      if key == StoredRecords.own {
        run = try StoredRecords.read(value) { (reader: inout ByteReader) throws(MalformedBytes) in
          try reader.number()
        }
      }
    }
  }

  private func restore(_ record: PreparedRecord) {
    let mine = LocalTransaction(record.transaction, asker: me)
    (mine.preparedWall, mine.decision, mine.heuristic) = (record.preparedAt, record.decision, record.heuristic)
    mine.agreed = Array(record.transaction.shares.indices)
    mine.behind = Set(record.behind)
    mine.stage = record.heuristic?.isDone == true ? .held : .prepared
    local[mine.id] = mine
  }

  /// Two that are prepared have the same key only if one of them follows the other, and is in the line behind it.
  private func takeKeysBack() {
    let holders = localInOrder.filter { $0.stage != .held }
    for mine in holders { mine.behind.formIntersection(holders.map(\.id)) }
    for mine in holders.filter(\.behind.isEmpty) + holders.filter({ !$0.behind.isEmpty }) {
      _ = locks.enter(mine.id, mine.transaction.locks)
      for id in mine.behind { local[id]!.followers.append(mine.id) }
    }
  }

  /// Begins a new life, which is written down before anybody hears of it.
  /// - Parameter fixed: the node that always coordinates; nil: the elector's leader does.
  func start(fixed: Int?) {
    takeKeysBack()
    run += 1
    coordinator = fixed
    seen = promise.promised
    let number = run
    write.put(StoredRecords.own, StoredRecords.write { $0.add(number) })
    write.afterwards(.begun)
  }

  func begun() {
    hasBegun = true
    runs[me] = run
    for mine in localInOrder { resume(mine) }
    notices.append(
      .info(
        "Participant started: node \(me), run \(run), \(local.count) transactions open, \(history.count) in the history"
      ))
    for node in linked.sorted() { sayHello(to: node) }
    if coordinator == me { lead(term: 0) }
  }

  private func resume(_ mine: LocalTransaction) {
    (mine.preparedAt, mine.askAt) = (now, now + random(below: 100_000_000))
    if mine.stage == .held { return }
    mine.forgotten = Set(mine.transaction.shares.indices)
    if mine.decision == nil, mine.heuristic == nil { remind(mine) } else { end(mine) }
  }
}
