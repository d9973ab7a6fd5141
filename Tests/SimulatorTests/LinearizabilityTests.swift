import Simulator
import Testing

/// Histories of one register, drawn.
@Suite struct LinearizabilityTests {
  private func expectHolds(_ lines: String..., place: SourceLocation = #_sourceLocation) {
    #expect(Linearizability.check(history(lines)) == .holds, sourceLocation: place)
  }

  /// What is said of it.
  private func broken(_ lines: String..., place: SourceLocation = #_sourceLocation) throws -> Explanation {
    guard case .broken(let why) = Linearizability.check(history(lines)) else {
      Issue.record("it was not found to be broken", sourceLocation: place)
      throw NotBroken()
    }
    return why
  }

  private struct NotBroken: Error {}

  private func history(_ lines: [String]) -> History { History(lines) }

  @Test func nothingHolds() {
    #expect(Linearizability.check(History()) == .holds)
    expectHolds("[r]")
  }

  @Test func oneAfterAnotherHolds() { expectHolds("[w1] [r1] [w2] [r2] [r2]") }

  @Test func aReadBesideAWriteMayAnswerEither() {
    expectHolds("[w1] [w2      ]", "      [r1]", "        [r2]")
    expectHolds("[w1] [w2      ]", "      [r2]")
  }

  @Test func writesAtTheSameTimeHaveSomeOrder() {
    expectHolds("[w1  ]", "[w2  ]", "       [r1] [r1]")
    expectHolds("[w1  ]", "[w2  ]", "       [r2] [r2]")
  }

  @Test func aStaleReadIsFound() throws {
    let why = try broken("[w1] [w2]", "          [r1]")
    #expect(
      why.description == """
        client 1's read (10.000000 to 13.000000 s), answered `1`: no order of the others allows it; it could be `2`
          client 0's write of `1` (0.000000 to 3.000000 s), before it
          client 0's write of `2` (5.000000 to 8.000000 s), before it
        """)
  }

  @Test func aLostWriteIsFound() throws {
    let why = try broken("[w1] [r]")
    #expect(why.culprit == "client 0's read (5.000000 to 7.000000 s), answered ``")
    #expect(why.possible == ["1"])
  }

  /// The second reader goes back behind what the first one saw.
  @Test func aReadInversionIsFound() throws {
    let why = try broken("[w1] [w2              ]", "      [r2]", "            [r1]")
    #expect(why.culprit == "client 2's read (12.000000 to 15.000000 s), answered `1`")
    #expect(why.others.contains("client 1's read (6.000000 to 9.000000 s), answered `2`, before it"))
    #expect(why.others.contains("client 0's write of `2` (5.000000 to 22.000000 s), at the same time"))
  }

  @Test func twoReadersThatSeeTwoOrdersAreFound() throws {
    _ = try broken("[w1  ]", "[w2  ]", "       [r1] [r2] [r1]")
    _ = try broken("[w1  ]", "[w2  ]", "       [r1     ]", "       [r2] [r1] [r2]")
  }

  @Test func whatNobodyWroteIsFound() throws {
    let why = try broken("[w1] [r7]")
    #expect(why.description.contains("nobody had begun to write that; it could be `1`"))
    // Nor may it come from the future.
    _ = try broken("[w1] [r2] [w2]")
  }

  @Test func aWriteWithoutAnAnswerMayHappenLater() {
    expectHolds("[w1] [r1] [r2] [r2]", "[w2")
    expectHolds("[w1] [r1] [w3] [r3] [r2]", "[w2")
  }

  @Test func aWriteWithoutAnAnswerMayNeverHappen() {
    expectHolds("[w1] [r1] [r1]", "[w2")
    expectHolds("[w1] [r1] [r1]", "[w2", "[w3", "[w4")
  }

  @Test func aWriteWithoutAnAnswerHappensOnce() throws {
    _ = try broken("[w1] [r1] [r2] [w3] [r3] [r2]", "[w2")
    // Two did it.
    expectHolds("[w1] [r1] [r2] [w3] [r3] [r2]", "[w2", "[w2")
  }

  @Test func aWriteWithoutAnAnswerDoesNotHappenBeforeItBegan() throws { _ = try broken("[w1] [r2] [w2") }

  @Test func aReadWithoutAnAnswerMeansNothing() { expectHolds("[w1] [r1]", "[r") }

  @Test func whatWasWithdrawnMustNotBeSeen() {
    var history = History()
    let failed = history.begin(1, .write("1"), at: 1)
    history.withdraw(failed)
    #expect(Linearizability.check(history) == .holds)
    let read = history.begin(2, .read, at: 2)
    history.end(read, answer: "1", at: 3)
    guard case .broken = Linearizability.check(history) else { return #expect(Bool(false), "it was seen") }
  }

  @Test func keysAreApart() {
    var history = History()
    for key in ["b", "a"] {
      let write = history.begin(1, .write(key), key: key, at: 1_000_000_000)
      history.end(write, at: 2_000_000_000)
    }
    for (key, answer) in [("a", "a"), ("b", "a")] {
      let read = history.begin(2, .read, key: key, at: 3_000_000_000)
      history.end(read, answer: answer, at: 4_000_000_000)
    }
    guard case .broken(let why) = Linearizability.check(history) else { return #expect(Bool(false), "b has an a") }
    #expect(why.key == "b")
    let read = "client 2's read (3.000000 to 4.000000 s), answered `a`"
    #expect(why.description.hasPrefix("key `b`: \(read): nobody had begun to write that"))
  }

  @Test func anotherInitialValueCounts() {
    var history = History()
    let read = history.begin(1, .read, at: 1)
    history.end(read, answer: "none", at: 2)
    #expect(Linearizability.check(history, initial: "none") == .holds)
    #expect(Linearizability.check(history) != .holds)
  }

  @Test func whatTakesTooLongIsUndecided() {
    #expect(Linearizability.check(History("[w1] [r1]"), stepLimit: 1) == .undecided(key: ""))
  }
}
