import Testing

@testable import LearningCore

/// A session with trainers that answer, fail, hang, come and go by chance, and a server that is killed: what is on its
/// disk stays, all else is gone.
private struct World {
  var session: Session
  let plan: Plan
  var dice: Dice
  var now: Int64 = 0
  // On the disk.
  var stored: [Update] = []
  var version = 0
  var lastTicket: UInt64 = 0
  // What was seen.
  var counted: Set<UInt64> = []
  var steps: [Step] = []
  var end: SessionEnd?
  var killed = 0
  var asked: [String: Int] = [:]
  /// Work that trainers do: it ends at a time, well or not.
  private var work: [(ticket: Ticket, at: Int64, isGood: Bool)] = []
  private var pending: [SessionEffect] = []
  private let trainers: Int

  init(_ plan: Plan, trainers: Int, seed: UInt64) {
    (self.plan, self.trainers) = (plan, trainers)
    session = Session(plan)
    dice = Dice(seed: seed, round: 0)
  }

  private mutating func chance(_ share: Double) -> Bool { dice.unit() < share }

  private mutating func candidates() -> [Candidate] {
    (0..<trainers).filter { _ in !chance(0.1) }.map { Candidate(id: "t\($0)", samples: 10, seconds: Double($0)) }
  }

  mutating func handle(_ event: SessionEvent) { pending += session.handle(event, at: now) }

  /// One thing after the other, with a server that may be killed before each.
  mutating func run(kills: Double) {
    var turns = 0
    while end == nil {
      turns += 1
      precondition(turns < 100_000, "a session does not end")
      if chance(kills) { restart() }
      if !pending.isEmpty {
        carryOut(pending.removeFirst())
      } else if let next = work.indices.min(by: { work[$0].at < work[$1].at }), chance(0.9) {
        finish(work.remove(at: next))
      } else {
        now += 500_000_000
        handle(.candidates(candidates()))
      }
    }
  }

  private mutating func restart() {
    killed += 1
    pending = []
    work = []
    session = Session(plan, version: version, waiting: stored, lastTicket: lastTicket)
    handle(.candidates(candidates()))
  }

  private mutating func carryOut(_ effect: SessionEffect) {
    switch effect {
    case .choose(let group, let candidates, _):
      handle(.chosen(group: group, chance(0.2) ? nil : candidates.filter { _ in chance(0.7) }.map(\.id)))
    case .train(let ticket):
      lastTicket = max(lastTicket, ticket.number)
      asked[ticket.trainer, default: 0] += 1
      // One in ten hangs for ever.
      let time = chance(0.1) ? Int64.max / 2 : Int64(dice.next() % 3_000_000_000)
      work.append((ticket, now + time, !chance(0.1)))
    case .cancel(let ticket, _):
      if chance(0.5) { work.removeAll { $0.ticket == ticket } }  // or the news comes late, and so its answer
    case .discard(let updates): stored.removeAll { update in updates.contains { $0.ticket == update.ticket } }
    case .step(let step):
      #expect(step.version == version + 1)
      for update in step.updates {
        #expect(counted.insert(update.ticket).inserted, "an update counts twice")
        #expect(step.version - update.version - 1 <= plan.stalenessLimit)
      }
      steps.append(step)
      version = step.version
      let used = Set(step.updates.map(\.ticket))
      stored.removeAll { used.contains($0.ticket) }
      handle(.stepped(version: version))
    case .validate(let version): handle(.validated(version: version, accuracy: nil, loss: nil))
    case .end(let end): self.end = end
    }
  }

  private mutating func finish(_ done: (ticket: Ticket, at: Int64, isGood: Bool)) {
    guard done.at < .max / 4 else { return now += 1_000_000_000 }
    now = max(now, done.at)
    guard done.isGood else { return handle(.failed(ticket: done.ticket.number, reason: "by chance")) }
    let update = Update(
      ticket: done.ticket.number, trainer: done.ticket.trainer, version: done.ticket.version, group: done.ticket.group,
      object: "o\(done.ticket.number)", samples: 10)
    // Only what is waited for is written.
    if session.open[update.ticket] != nil { stored.append(update) }
    handle(.stored(update))
    // A network may say it again.
    if chance(0.1) { handle(.stored(update)) }
  }
}

@Suite struct SessionTests {
  private static let paces: [Plan.Pace] = [
    .synchronous, .asynchronous(buffer: 1), .asynchronous(buffer: 5), .tiered(3),
  ]

  @Test(arguments: paces) func sessionsEndAndCountEachUpdateOnce(_ pace: Plan.Pace) {
    for seed in 1...60 as ClosedRange<UInt64> {
      var plan = Plan(rounds: 12, pace: pace, seed: seed, deadline: .seconds(20), overSelection: 0.2, leastUpdates: 2)
      if case .asynchronous = pace { plan.leastUpdates = 1 }
      plan.emptyLimit = 1000
      var world = World(plan, trainers: 9, seed: seed)
      world.run(kills: seed % 2 == 0 ? 0.02 : 0)
      #expect(world.end == .finished && world.steps.map(\.version) == Array(1...12), "seed \(seed)")
    }
  }

  @Test func manyTrainersWithAShareOfThemEachRound() {
    let selection = Selection(rule: .randomSubset, count: 20)
    var world = World(
      Plan(rounds: 10, selection: selection, deadline: .seconds(10), overSelection: 0.3), trainers: 1000, seed: 5)
    world.run(kills: 0.001)
    #expect(world.end == .finished && world.steps.allSatisfy { (1...26).contains($0.updates.count) })
    #expect(world.asked.count > 150)
  }

  /// What a killed server had on its disk is not trained again, and the step is the same as without the kill.
  @Test func aRoundGoesOnWhereItWas() throws {
    let trainers = (0..<4).map { Candidate(id: "t\($0)") }, plan = Plan(rounds: 3, deadline: .seconds(60))
    var session = Session(plan)
    let tickets = Self.asked(session.handle(.candidates(trainers), at: 0))
    #expect(tickets.map(\.trainer) == ["t0", "t1", "t2", "t3"])
    func update(_ ticket: Ticket) -> Update {
      Update(ticket: ticket.number, trainer: ticket.trainer, version: 0, object: ticket.trainer, samples: 1)
    }
    let stored = tickets[1...2].map(update)
    for one in stored { #expect(session.handle(.stored(one), at: 1).isEmpty) }
    var resumed = Session(plan, waiting: stored, lastTicket: 4)
    let again = Self.asked(resumed.handle(.candidates(trainers), at: 2))
    #expect(again.map(\.trainer) == ["t0", "t3"] && again.map(\.number) == [5, 6])
    #expect(resumed.handle(.stored(update(again[0])), at: 3).isEmpty)
    let effects = resumed.handle(.stored(update(again[1])), at: 4)
    guard case .step(let step)? = effects.first else { throw Missing() }
    #expect(step.updates.map(\.object) == ["t1", "t2", "t0", "t3"] && step.version == 1)
    // The old server's answers come to nobody any more.
    #expect(resumed.handle(.stored(update(tickets[0])), at: 5).isEmpty)
  }
  private struct Missing: Error {}

  private static func asked(_ effects: [SessionEffect]) -> [Ticket] {
    effects.compactMap { effect in
      guard case .train(let ticket) = effect else { return nil }
      return ticket
    }
  }

  private static func cancelled(_ effects: [SessionEffect]) -> Int {
    effects.filter { effect in
      guard case .cancel = effect else { return false }
      return true
    }.count
  }

  @Test func theFasterOnesAreEnough() throws {
    let trainers = (0..<10).map { Candidate(id: "t\($0)") }
    var session = Session(
      Plan(selection: Selection(rule: .randomSubset, count: 4), deadline: .seconds(9), overSelection: 0.5))
    let asked = session.handle(.candidates(trainers), at: 0)
    #expect(asked.count == 6)
    for ticket in session.open.values.sorted(by: { $0.number < $1.number }).prefix(3) {
      let update = Update(ticket: ticket.number, trainer: ticket.trainer, version: 0, object: "o", samples: 1)
      #expect(session.handle(.stored(update), at: 1).isEmpty)
    }
    let fourth = session.open.values.min { $0.number < $1.number }!
    let last = session.handle(
      .stored(Update(ticket: fourth.number, trainer: fourth.trainer, version: 0, object: "o", samples: 1)), at: 2)
    #expect(last.count == 3 && session.open.isEmpty)
    guard case .step(let step) = last[2] else { throw Missing() }
    #expect(step.updates.count == 4)
  }

  @Test func tooFewUpdatesFailTheRoundAndInTheEndTheSession() throws {
    var session = Session(Plan(deadline: .seconds(10), leastUpdates: 2, emptyLimit: 2))
    var now: Int64 = 0
    #expect(session.handle(.candidates([Candidate(id: "a")]), at: now).isEmpty)
    let two = [Candidate(id: "a"), Candidate(id: "b")]
    #expect(session.handle(.candidates(two), at: now).count == 2)
    for attempt in 1...2 {
      now = session.nextDeadline!
      let effects = session.handle(.candidates(two), at: now)
      #expect(Self.cancelled(effects) == 2)
      if attempt == 2 {
        guard case .end(.failed(let words))? = effects.last else { throw Missing() }
        #expect(words.contains("0 of 2 trainers brought an update, and 2 are needed"))
      } else {
        // It takes a breath.
        now = session.nextDeadline!
        #expect(session.handle(.candidates(two), at: now).count == 2)
      }
    }
  }

  @Test func itEndsWhenItIsGoodEnough() {
    var session = Session(Plan(rounds: 100, targetAccuracy: 0.9))
    func round(_ accuracy: Double, at now: Int64) -> [SessionEffect] {
      var effects = session.handle(.candidates([Candidate(id: "a")]), at: now)
      guard let ticket = session.open.values.first else { return effects }
      effects = session.handle(
        .stored(Update(ticket: ticket.number, trainer: "a", version: session.version, object: "o", samples: 1)), at: now
      )
      let next = session.version + 1
      effects = session.handle(.stepped(version: next), at: now)
      return session.handle(.validated(version: next, accuracy: accuracy, loss: nil), at: now)
    }
    _ = round(0.89, at: 1)
    #expect(session.end == nil)
    #expect(round(0.9, at: 2).contains(.end(.reached(accuracy: 0.9))))
    #expect(session.handle(.candidates([Candidate(id: "a")]), at: 3).isEmpty)
  }

  @Test func whoIsStoppedCancelsAll() {
    var session = Session(Plan())
    _ = session.handle(.candidates([Candidate(id: "a"), Candidate(id: "b")]), at: 0)
    let effects = session.handle(.stop("as asked"), at: 1)
    #expect(effects.count == 3 && effects.last == .end(.stopped("as asked")))
  }
}

@Suite struct SelectionTests {
  private static let ten = (0..<10).map { (place: Int) -> Candidate in
    var candidate = Candidate(id: "t\(place)", samples: 10, seconds: Double(10 - place), loss: Double(place))
    (candidate.successes, candidate.failures) = place < 5 ? (0, 50) : (50, 0)
    candidate.labels = place % 2 == 0 ? [10, 0] : [0, 10]
    candidate.capabilities = place < 3 ? ["gpu"] : []
    return candidate
  }

  private static func times(_ selection: Selection, of all: [Candidate] = ten, rounds: Int = 2000) -> [String: Int] {
    var times: [String: Int] = [:]
    for round in 0..<rounds {
      for id in selection.choose(from: all, round: round, seed: 7) { times[id, default: 0] += 1 }
    }
    return times
  }

  @Test(arguments: Selection.Rule.allCases) func theSameIsChosenAgainAndNobodyTwice(_ rule: Selection.Rule) {
    let selection = Selection(rule: rule, count: 4)
    for round in 0..<50 {
      let chosen = selection.choose(from: Self.ten, round: round, seed: 3)
      #expect(!chosen.isEmpty && Set(chosen).count == chosen.count)
      #expect(chosen == selection.choose(from: Self.ten.reversed(), round: round, seed: 3))
    }
    #expect(selection.choose(from: [], round: 0, seed: 1).isEmpty)
    #expect(selection.choose(from: [Candidate(id: "only")], round: 1, seed: 1) == ["only"])
  }

  @Test func eachRuleChoosesAsItSays() {
    #expect(Selection(rule: .fedavg, share: 0.25).choose(from: Self.ten, round: 0, seed: 1).count == 3)
    #expect(Self.times(Selection(rule: .randomSubset, count: 3)).values.allSatisfy { (500...700).contains($0) })
    #expect(Selection(rule: .highLoss, count: 2).choose(from: Self.ten, round: 0, seed: 1) == ["t8", "t9"])
    #expect(Selection(rule: .lowLoss, count: 2).choose(from: Self.ten, round: 0, seed: 1) == ["t0", "t1"])
    let likely = Self.times(Selection(rule: .probabilisticHighLoss, count: 1))
    #expect(likely["t9"]! > 3 * likely["t2"]! && likely["t0"] == nil)
    let reliable = Self.times(Selection(rule: .reliableFedavg, count: 1))
    #expect(reliable.filter { $0.key >= "t5" }.values.reduce(0, +) > 1900)
    #expect(Selection(rule: .oddEven).choose(from: Self.ten, round: 3, seed: 1) == ["t1", "t3", "t5", "t7", "t9"])
    #expect(Self.times(Selection(capabilities: ["gpu"]), rounds: 1) == ["t0": 1, "t1": 1, "t2": 1])
    // The fastest tier first.
    #expect(
      Selection(rule: .tieredRoundRobin, tiers: 3).choose(from: Self.ten, round: 0, seed: 1) == ["t7", "t8", "t9"])
    let tiers = Self.times(Selection(rule: .tifl, count: 1, tiers: 2))
    let fast = tiers.filter { $0.key >= "t5" }.values.reduce(0, +)
    // The fast ones have the greater loss here; in proportion it would be 7 to 2.
    #expect((1400...1700).contains(fast), "\(fast)")
  }

  /// One of each kind of data before a second one of a kind, more often than by chance, and the fastest of a kind.
  @Test func clustersAreRepresented() {
    #expect(Clusters.distance([10, 0], [0, 10]) == 1 && Clusters.distance([1, 1], [30, 30]) < 1e-9)
    let chosen = Self.times(Selection(rule: .haccs, count: 2))
    #expect(chosen["t9"]! > 1000 && chosen["t8"]! > 1000 && chosen["t0"] == nil && chosen["t1"] == nil)
  }

  @Test func chanceFollowsTheWeights() {
    var dice = Dice(seed: 1, round: 1), counts = [0, 0, 0]
    for _ in 0..<10_000 { counts[dice.draw(1, weights: [1, 3, 0])[0]] += 1 }
    #expect((2300...2700).contains(counts[0]) && counts[2] == 0)
    #expect(dice.draw(3, weights: [0, 5, 0]).first == 1)
    #expect(dice.draw(9, weights: [0, 0]).sorted() == [0, 1])
  }
}

/// Where there are no rounds nobody waits for others, and nobody is asked again and again who fails at once.
@Suite struct RestingTests {
  @Test func whoFailsIsAskedAgainAfterAPause() throws {
    var plan = Plan()
    (plan.pace, plan.rounds) = (.asynchronous(buffer: 4), 10)
    var session = Session(plan)
    var asked = 0
    for millisecond in 0..<Int64(8_000) {
      let effects = session.handle(.candidates([Candidate(id: "a", samples: 1)]), at: millisecond * 1_000_000)
      for case .train(let ticket) in effects {
        asked += 1
        let again = session.handle(.failed(ticket: ticket.number, reason: "no"), at: millisecond * 1_000_000)
        #expect(again.isEmpty)
      }
    }
    // At 0, 1, 3 and 7 s.
    #expect(asked == 4)
  }
}
