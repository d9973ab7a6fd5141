import Simulator
import Testing

/// Histories made by chance.
@Suite struct LinearizabilityRandomTests {
  /// What a register answered, now and then wrongly. Its clients are `clients`; each write is `values` or less.
  private struct Maker {
    var chance: Chance
    var clients: Int
    var values: Int
    /// How often an operation does what no register does, in a hundred.
    var lies: Int
    /// How often an answer is lost, in a hundred.
    var losses: Int

    private struct Open {
      var operation: Int
      var write: String?
      var answer: String?
      var hasHappened = false
    }

    mutating func make(_ count: Int) -> History {
      var history = History()
      var open: [Int: Open] = [:]
      var late: [String] = []
      var value = "", written = 0, begun = 0, time: Int64 = 0
      while begun < count || !open.isEmpty {
        time += 1
        let client = chance.below(clients)
        guard var now = open[client] else {
          guard begun < count else { continue }
          begun += 1
          written += 1
          let write = chance.below(2) == 0 ? String(values == .max ? written : chance.below(values)) : nil
          open[client] = Open(
            operation: history.begin(client, write.map { .write($0) } ?? .read, at: time), write: write)
          continue
        }
        // A write whose answer was lost happens some time.
        if !late.isEmpty, chance.below(4) == 0 { value = late.removeLast() }
        if !now.hasHappened {
          now.hasHappened = true
          let lies = chance.below(100) < self.lies
          if let write = now.write, !lies { value = write }
          now.answer = lies ? String(chance.below(min(max(written, 1), values))) : value
          if chance.below(100) < losses {
            if let write = now.write, lies { late.append(write) }
            open[client] = nil
          } else {
            open[client] = now
          }
          continue
        }
        history.end(now.operation, answer: now.write == nil ? now.answer : nil, at: time)
        open[client] = nil
      }
      return history
    }
  }

  private struct Chance: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
      state &+= 0x9E37_79B9_7F4A_7C15
      var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
      mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
      return mixed ^ (mixed >> 31)
    }

    mutating func below(_ bound: Int) -> Int { Int.random(in: 0..<bound, using: &self) }
  }

  /// What is broken has a read that is to blame, and what is written of it can be read.
  private func verdict(_ history: History) -> Bool? {
    switch Linearizability.check(history) {
    case .holds: true
    case .broken(let why): why.description.contains(why.culprit) && !why.possible.isEmpty ? false : nil
    case .undecided: nil
    }
  }

  @Test(arguments: [2, 3, 5], [3, Int.max]) func aSmallHistoryIsJudgedAsByTryingAll(_ clients: Int, _ values: Int) {
    var seen = [true: 0, false: 0]
    var chance = Chance(state: UInt64(clients))
    for number in 0..<1000 {
      let count = 4 + chance.below(5), lies = chance.below(40), losses = chance.below(30)
      var maker = Maker(chance: chance, clients: clients, values: values, lies: lies, losses: losses)
      let history = maker.make(count)
      chance = maker.chance
      let expected = BruteForce(history).isLinearizable()
      guard verdict(history) == expected else {
        Issue.record("history \(number) is judged wrongly: \(history.operations.map(\.words)) is \(expected)")
        return
      }
      seen[expected]! += 1
    }
    #expect(seen[true]! > 100 && seen[false]! > 100, "\(seen)")
  }

  /// Also with clients that give up and go on, whose writes stay open for ever.
  @Test(arguments: [(1, 0), (4, 0), (8, 2), (100, 1)]) func aLongHistoryOfARegisterHolds(_ clients: Int, _ losses: Int)
  {
    var maker = Maker(chance: Chance(state: 7), clients: clients, values: .max, lies: 0, losses: losses)
    #expect(Linearizability.check(maker.make(5000)) == .holds)
  }

  @Test func oneWrongAnswerInALongHistoryIsFound() {
    var maker = Maker(chance: Chance(state: 9), clients: 4, values: .max, lies: 0, losses: 1)
    var history = maker.make(5000)
    let write = history.begin(1, .write("last"), at: 100_000_000_000)
    history.end(write, at: 100_001_000_000)
    let read = history.begin(2, .read, at: 100_002_000_000)
    history.end(read, answer: "1", at: 100_003_000_000)
    guard case .broken(let why) = Linearizability.check(history) else { return #expect(Bool(false), "not found") }
    #expect(why.culprit == "client 2's read (100.002000 to 100.003000 s), answered `1`")
    #expect(why.possible == ["last"])
  }
}
