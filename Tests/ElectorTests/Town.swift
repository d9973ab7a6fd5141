@testable import ElectorCore

/// Electors without hosts: messages between them, links, disks and one clock, all of it here.
final class Town {
  static let millisecond: Int64 = 1_000_000
  let ids: [Int]
  let isClassic: Bool
  let timing: Timing
  private(set) var now: Int64 = 0
  private(set) var electors: [Int: any Elector] = [:]
  /// What survives a crash.
  private var disks: [Int: Ballot] = [:]
  private var priorities: [Int: Int32]
  /// Which of them cannot reach which.
  private var cut: Set<[Int]> = []
  private var letters: [(time: Int64, order: Int, from: Int, to: Int, message: ElectorMessage)] = []
  private var ballots: [(time: Int64, id: Int, ballot: Ballot)] = []
  private var order = 0
  private var numbers = SmallNumbers(state: 7)
  var latency: ClosedRange<Int64> = 100_000...900_000
  var syncTakes: Int64 = 200_000
  /// All that was said, by kind.
  private(set) var said: [ElectorMessage.Kind: Int] = [:]
  private(set) var log: [String] = []
  /// Who led in which term.
  private(set) var leaders: [UInt64: Set<Int>] = [:]

  init(_ ids: [Int], classic: Bool = false, priorities: [Int: Int32] = [:], timing: Timing = .lan) {
    (self.ids, isClassic, self.priorities, self.timing) = (ids, classic, priorities, timing)
    for id in ids { start(id) }
  }

  func start(_ id: Int) {
    let others = ids.filter { $0 != id }
    electors[id] =
      isClassic
      ? BullyElector(me: id, priority: priorities[id] ?? 0, others: others, timing: timing, now: now)
      : QuorumElector(
        me: id, priority: priorities[id] ?? 0, others: others, timing: timing, ballot: disks[id] ?? Ballot(),
        seed: UInt64(id), now: now)
    for other in others where electors[other] != nil && !isCut(id, other) { link(id, other, isUp: true) }
  }

  func crash(_ id: Int) {
    electors[id] = nil
    letters.removeAll { $0.to == id || $0.from == id }
    ballots.removeAll { $0.id == id }
    for other in ids where electors[other] != nil { tell(other) { $0.linkChanged(id, isUp: false, now) } }
  }

  func part(_ one: [Int], _ others: [Int]) {
    for left in one {
      for right in others where cut.insert([min(left, right), max(left, right)]).inserted {
        link(left, right, isUp: false)
      }
    }
  }

  func heal() {
    let healed = cut
    cut = []
    for pair in healed.sorted(by: { ($0[0], $0[1]) < ($1[0], $1[1]) }) { link(pair[0], pair[1], isUp: true) }
  }

  private func isCut(_ one: Int, _ other: Int) -> Bool { cut.contains([min(one, other), max(one, other)]) }

  private func link(_ one: Int, _ other: Int, isUp: Bool) {
    letters.removeAll { ($0.from, $0.to) == (one, other) || ($0.from, $0.to) == (other, one) }
    tell(one) { $0.linkChanged(other, isUp: isUp, now) }
    tell(other) { $0.linkChanged(one, isUp: isUp, now) }
  }

  func tell(_ id: Int, _ body: (inout any Elector) -> Void) {
    guard electors[id] != nil else { return }
    body(&electors[id]!)
    let standing = electors[id]!.standing
    if standing.state == .leading { leaders[standing.term, default: []].insert(id) }
    for effect in electors[id]!.takeEffects() {
      switch effect {
      case .send(let message, let to):
        said[message.kind, default: 0] += 1
        guard !isCut(id, to), electors[to] != nil else { continue }
        order += 1
        letters.append((now + Int64.random(in: latency, using: &numbers), order, id, to, message))
      case .store(let ballot): ballots.append((now + syncTakes, id, ballot))
      case .log(let words): log.append(words)
      case .changed, .renewed: break
      }
    }
  }

  /// Lets time pass.
  func run(milliseconds: Int64) {
    let end = now + milliseconds * Self.millisecond
    while let next = earliest, next <= end {
      now = max(now, next)
      step()
    }
    now = end
  }

  private var earliest: Int64? {
    ([letters.map(\.time).min(), ballots.map(\.time).min()] + electors.values.map { $0.nextTick }).compactMap { $0 }
      .min()
  }

  private func step() {
    if let place = ballots.firstIndex(where: { $0.time <= now }) {
      let (_, id, ballot) = ballots.remove(at: place)
      disks[id] = ballot
      return tell(id) { $0.stored(ballot, now) }
    }
    if let letter = letters.filter({ $0.time <= now }).min(by: { ($0.time, $0.order) < ($1.time, $1.order) }) {
      letters.removeAll { $0.order == letter.order }
      return tell(letter.to) { $0.received(letter.message, from: letter.from, now) }
    }
    for id in ids where (electors[id]?.nextTick ?? .max) <= now { tell(id) { $0.tick(now) } }
  }

  func standing(_ id: Int) -> Standing { electors[id]!.standing }
  /// Whom each of them follows, or that it leads.
  var followed: [Int?] { ids.compactMap { electors[$0]?.standing.leader } }
  var leading: [Int] { ids.filter { electors[$0]?.standing.state == .leading } }

  /// How long until somebody leads; nil if it takes more than five seconds.
  var timeUntilALeader: Int64? {
    let start = now
    while leading.isEmpty, now - start < 5000 * Self.millisecond { run(milliseconds: 1) }
    return leading.isEmpty ? nil : (now - start) / Self.millisecond
  }

  /// How long until all that live follow `leader`; nil if it takes more than five seconds.
  func time(until leader: Int) -> Int64? {
    let start = now
    while now - start < 5000 * Self.millisecond {
      if electors.values.allSatisfy({ $0.standing.leader == leader }) { return (now - start) / Self.millisecond }
      run(milliseconds: 1)
    }
    return nil
  }
}
