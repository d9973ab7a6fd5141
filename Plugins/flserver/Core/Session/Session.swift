/// The course of a session: who is asked to train, whose answers make the next model, and when it is over. Pure: events
/// go in, and what is to be done comes out. It does not know how models are made or sent.
///
/// An update counts once, or not at all: only that of an open ticket is taken, and a ticket is closed by the first
/// answer to it, by its failure or by its deadline. Versions only grow.
struct Session {
  let plan: Plan
  /// Of the newest model; 0 is what the session began with.
  private(set) var version: Int
  private(set) var open: [UInt64: Ticket] = [:]
  /// Taken, and in no model yet.
  private(set) var waiting: [Update] = []
  private(set) var end: SessionEnd?
  private(set) var emptyRounds = 0
  /// Why no round begins, if none does.
  private(set) var lack: String?
  private var stepping: Step?
  private var validating: Int?
  private var lastTicket: UInt64
  /// Groups whose round has been begun, with how many updates it goes for.
  private var rounds: [Int: Round] = [:]
  /// Groups for which a role chooses at present.
  private var choosing: Set<Int> = []
  private var candidates: [Candidate] = []
  /// Where there are no rounds: trainers that have failed, how often in a row, and until when nobody asks them.
  private var resting: [String: (times: Int, until: Int64)] = [:]
  /// After a round that brought nothing.
  private var pauseEnds: Int64 = .min
  private var now: Int64 = 0
  private var effects: [SessionEffect] = []

  private struct Round: Equatable {
    var goal: Int
    var deadline: Int64
  }

  /// - Parameters:
  ///   - version: of the newest model on the disk.
  ///   - waiting: updates on the disk that are in no model yet.
  ///   - lastTicket: the greatest number that was given to a ticket.
  /// The newest model is looked at again: the session may have been killed before it was known how good it is.
  init(_ plan: Plan, version: Int = 0, waiting: [Update] = [], lastTicket: UInt64 = 0) {
    (self.plan, self.version, self.lastTicket) = (plan, version, lastTicket)
    let oldest = plan.pace == .synchronous ? version : version - plan.stalenessLimit
    if version > 0 { look(at: version) }
    self.waiting = waiting.filter { (oldest...version).contains($0.version) }.sorted { $0.ticket < $1.ticket }
  }

  mutating func handle(_ event: SessionEvent, at now: Int64) -> [SessionEffect] {
    self.now = max(self.now, now)
    guard end == nil else { return [] }
    switch event {
    case .candidates(let candidates): self.candidates = candidates
    case .stored(let update): take(update)
    case .failed(let ticket, _): failed(ticket)
    case .stepped(let version): stepped(version)
    case .stepFailed(let reason): stepFailed(reason)
    case .validated(let version, let accuracy, _): validated(version, accuracy)
    case .chosen(let group, let ids): chosen(group, ids)
    case .stop(let why): finish(.stopped(why))
    }
    if end == nil { goOn() }
    defer { effects = [] }
    return effects
  }

  /// When something is due if nothing happens.
  var nextDeadline: Int64? {
    let deadlines = open.values.map(\.deadline)
    return (pauseEnds > now ? deadlines + [pauseEnds] : deadlines).min()
  }

  static let deadlinePassed = "the deadline has passed"

  // MARK: What came

  private mutating func take(_ update: Update) {
    guard let ticket = open.removeValue(forKey: update.ticket) else { return }
    resting[ticket.trainer] = nil
    guard version - ticket.version <= plan.stalenessLimit else { return }
    var update = update
    (update.trainer, update.version, update.group) = (ticket.trainer, ticket.version, ticket.group)
    waiting.append(update)
  }

  /// Whoever has just failed would fail again: it is asked after a pause, of a second at first and then twice as long
  /// each time.
  private mutating func failed(_ number: UInt64) {
    guard let ticket = open.removeValue(forKey: number), case .asynchronous = plan.pace else { return }
    let times = min(5, resting[ticket.trainer]?.times ?? 0)
    resting[ticket.trainer] = (times + 1, now + min(30, 1 << times) * 1_000_000_000)
  }

  private mutating func stepped(_ version: Int) {
    guard let step = stepping, step.version == version else { return }
    stepping = nil
    self.version = version
    emptyRounds = 0
    let used = Set(step.updates.map(\.ticket))
    waiting.removeAll { used.contains($0.ticket) }
    look(at: version)
  }

  private mutating func look(at version: Int) {
    validating = version
    effects.append(.validate(version: version))
  }

  private mutating func stepFailed(_ reason: String) {
    guard let step = stepping else { return }
    stepping = nil
    let used = Set(step.updates.map(\.ticket))
    waiting.removeAll { used.contains($0.ticket) }
    effects.append(.discard(step.updates))
    wasEmpty("no model could be made of the updates: \(reason)")
  }

  private mutating func validated(_ version: Int, _ accuracy: Double?) {
    guard validating == version else { return }
    validating = nil
    if let target = plan.targetAccuracy, let accuracy, accuracy >= target {
      return finish(.reached(accuracy: accuracy))
    }
    if version >= plan.rounds { finish(.finished) }
  }

  // MARK: Going on

  private mutating func goOn() {
    closeLate()
    // One after the other: a step is made of the model before it, and is looked at before the next.
    guard stepping == nil, validating == nil else { return }
    if let updates = ready() { return begin(updates) }
    guard end == nil, now >= pauseEnds else { return }
    switch plan.pace {
    case .synchronous: if rounds[0] == nil { beginRound(0, of: candidates) }
    case .tiered(let count):
      for (group, members) in tiers(count) where rounds[group] == nil { beginRound(group, of: members) }
    case .asynchronous: askTheIdle()
    }
  }

  private mutating func closeLate() {
    for ticket in open.values.filter({ $0.deadline <= now }).sorted(by: { $0.number < $1.number }) {
      cancel(ticket, Self.deadlinePassed)
    }
  }

  private mutating func cancel(_ ticket: Ticket, _ reason: String) {
    open[ticket.number] = nil
    effects.append(.cancel(ticket, reason))
  }

  private mutating func begin(_ updates: [Update]) {
    let step = Step(version: version + 1, updates: updates.sorted { $0.ticket < $1.ticket })
    stepping = step
    effects.append(.step(step))
  }

  /// The updates of a step that can be made now.
  private mutating func ready() -> [Update]? {
    if case .asynchronous(let buffer) = plan.pace {
      let fresh = waiting.filter { version - $0.version <= plan.stalenessLimit }
      return fresh.count >= max(1, buffer) ? Array(fresh.prefix(max(1, buffer))) : nil
    }
    for group in Set(waiting.map(\.group)).union(rounds.keys).sorted() {
      if let updates = closeRound(group) { return updates }
    }
    return nil
  }

  // MARK: Rounds

  private mutating func beginRound(_ group: Int, of members: [Candidate]) {
    guard plan.chooser != nil else {
      return beginRound(group, of: members, plan.selection.choose(from: members, round: version, seed: plan.seed))
    }
    guard !members.isEmpty, choosing.insert(group).inserted else { return }
    effects.append(.choose(group: group, plan.selection.able(members), round: version))
  }

  /// Those who have gone meanwhile are not asked.
  private mutating func chosen(_ group: Int, _ ids: [String]?) {
    guard choosing.remove(group) != nil, stepping == nil, validating == nil, rounds[group] == nil else { return }
    let there = candidates.filter { ids?.contains($0.id) == true }
    guard !there.isEmpty else { return wasEmpty("the role that chooses has chosen nobody who is there") }
    beginRound(group, of: candidates, there.map(\.id).sorted())
  }

  private mutating func beginRound(_ group: Int, of members: [Candidate], _ chosen: [String]) {
    let round = version
    let asked = withMore(chosen, of: members, round)
    guard !chosen.isEmpty, asked.count >= plan.leastUpdates else {
      lack = "\(asked.count) trainers are there for a round, and \(max(1, plan.leastUpdates)) are needed"
      return
    }
    lack = nil
    let deadline = now + plan.deadline.wholeNanoseconds
    // What was on the disk before a crash is not asked for again.
    let there = Set(waiting.filter { $0.group == group && $0.version == version }.map(\.trainer))
    rounds[group] = Round(goal: chosen.count, deadline: deadline)
    for trainer in asked where !there.contains(trainer) { ask(trainer, group, deadline) }
  }

  private func withMore(_ chosen: [String], of members: [Candidate], _ round: Int) -> [String] {
    let more = Int((Double(chosen.count) * plan.overSelection).rounded(.up))
    let others = members.map(\.id).filter { !chosen.contains($0) }.sorted()
    guard more > 0, !others.isEmpty else { return chosen }
    var dice = Dice(seed: plan.seed, round: round, purpose: 1)
    return chosen + dice.draw(more, weights: others.map { _ in 1 }).map { others[$0] }
  }

  private mutating func ask(_ trainer: String, _ group: Int, _ deadline: Int64) {
    lastTicket += 1
    let ticket = Ticket(number: lastTicket, trainer: trainer, version: version, group: group, deadline: deadline)
    open[lastTicket] = ticket
    effects.append(.train(ticket))
  }

  /// The updates of a round that is over; the round is closed then, with those or with none.
  private mutating func closeRound(_ group: Int) -> [Update]? {
    guard let round = rounds[group] else { return nil }
    let updates = waiting.filter { $0.group == group }, tickets = open.values.filter { $0.group == group }
    guard updates.count >= round.goal || tickets.isEmpty else { return nil }
    rounds[group] = nil
    for ticket in tickets.sorted(by: { $0.number < $1.number }) { cancel(ticket, "enough others were faster") }
    guard updates.count >= max(1, plan.leastUpdates) else {
      if plan.isSecure { discard(updates) }
      wasEmpty("\(updates.count) of \(round.goal) trainers brought an update, and \(plan.leastUpdates) are needed")
      return nil
    }
    return updates
  }

  private mutating func discard(_ updates: [Update]) {
    guard !updates.isEmpty else { return }
    waiting.removeAll { update in updates.contains { $0.ticket == update.ticket } }
    effects.append(.discard(updates))
  }

  /// The updates stay unless they are masked, and count in the next round, which begins after a while: what was wrong
  /// may pass.
  private mutating func wasEmpty(_ reason: String) {
    emptyRounds += 1
    pauseEnds = now + min(30, 1 << min(emptyRounds - 1, 5)) * 1_000_000_000
    if emptyRounds >= plan.emptyLimit {
      finish(.failed("\(emptyRounds) rounds in a row have failed; in the last one \(reason)"))
    }
  }

  private func tiers(_ count: Int) -> [(Int, [Candidate])] {
    let able = candidates.sorted { $0.id < $1.id }
    guard !able.isEmpty else { return [] }
    return Tiers.split(able, into: count).enumerated().map { ($0, $1.map { able[$0] }) }
  }

  // MARK: Without rounds

  private mutating func askTheIdle() {
    let busy = Set(open.values.map(\.trainer))
    let idle = candidates.filter { !busy.contains($0.id) && resting[$0.id]?.until ?? 0 <= now }
    let room = plan.concurrency - open.count
    lack = candidates.isEmpty ? "no trainer is there" : nil
    guard room > 0, !idle.isEmpty else { return }
    guard plan.chooser == nil else { return }
    for trainer in plan.selection.choose(from: idle, round: version, seed: plan.seed).prefix(room) {
      ask(trainer, 0, now + plan.deadline.wholeNanoseconds)
    }
  }

  private mutating func finish(_ end: SessionEnd) {
    for ticket in open.values.sorted(by: { $0.number < $1.number }) { cancel(ticket, "the session is over") }
    self.end = end
    effects.append(.end(end))
  }
}

extension Duration {
  var wholeNanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? .max / 2 : min(product, .max / 2) + attoseconds / 1_000_000_000
  }
}
