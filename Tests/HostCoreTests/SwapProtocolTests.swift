import HostCore
import NodeValues
import Testing

/// What a swap does next, without any role.
@Suite struct SwapProtocolTests {
  @Test func everyStepWaitsForAllMembers() {
    var swap = SwapProtocol(["a", "b"])
    for next in [SwapProtocol.Step.creating, .quieting, .moving] {
      #expect(swap.handle(.did("a")) == [])
      #expect(swap.handle(.did("a")) == [], "the same member twice does not stand for the other")
      #expect(swap.handle(.did("b")) == [.begin(next)])
    }
    #expect(swap.handle(.did("b")) == [])
    #expect(swap.handle(.did("a")) == [.flip])
    #expect(swap.handle(.probationOver) == [.retire])
    #expect(swap.step == .done)
  }

  @Test(arguments: [SwapProtocol.Step.checking, .creating, .quieting, .moving])
  func oneFailureUndoesTheSwapForAll(_ step: SwapProtocol.Step) {
    var swap = SwapProtocol(["a", "b"])
    while swap.step != step { for name in ["a", "b"] { _ = swap.handle(.did(name)) } }
    #expect(swap.handle(.did("a")) == [])
    #expect(swap.handle(.failed("b", reason: "no")) == [.abort(reason: "b: no")])
    for late in [SwapProtocol.Event.did("b"), .failed("a", reason: "too"), .interrupted, .probationOver] {
      #expect(swap.handle(late) == [])
    }
  }

  @Test func aFaultOnProbationBringsAllBack() {
    var swap = flipped(["a", "b"])
    #expect(swap.handle(.failed("a", reason: "gave up")) == [.revert(reason: "a: gave up")])
    #expect(swap.handle(.probationOver) == [])
  }

  @Test func whoIsWantedElsewhereDuringProbationStays() {
    var swap = flipped(["a"])
    #expect(swap.handle(.interrupted) == [.retire])
  }

  @Test func membersThatRunTheBuildAlreadyTakeNoPart() {
    var swap = SwapProtocol(["a", "b"])
    #expect(swap.handle(.unchanged("a")) == [])
    #expect(swap.handle(.did("b")) == [.begin(.creating)])
    var idle = SwapProtocol(["a", "b"])
    #expect(idle.handle(.unchanged("b")) == [])
    #expect(idle.handle(.unchanged("a")) == [.nothingToDo])
    var last = SwapProtocol(["a", "b"])
    #expect(last.handle(.did("b")) == [])
    #expect(last.handle(.unchanged("a")) == [.begin(.creating)])
  }

  private func flipped(_ members: [String]) -> SwapProtocol {
    var swap = SwapProtocol(members)
    while swap.step != .probation { for name in members { _ = swap.handle(.did(name)) } }
    return swap
  }
}

@Suite struct StateTransferTests {
  private let both = StateAbility(saves: true, loads: true, version: 3)
  private let neither = StateAbility(saves: false, loads: false, version: 0)

  @Test func stateMovesWhereverItCan() throws {
    let older = StateAbility(saves: true, loads: true, version: 2)
    #expect(try StateTransfer.plan(from: both, to: older, mayColdStart: false) == .move(fromVersion: 3))
    #expect(try StateTransfer.plan(from: both, to: older, mayColdStart: true) == .move(fromVersion: 3))
  }

  @Test func withoutStateItNeedsLeave() throws {
    for (old, new) in [(both, neither), (neither, both), (neither, neither)] {
      #expect(try StateTransfer.plan(from: old, to: new, mayColdStart: true) == .coldStart)
      let refusal = #expect(throws: StateRefusal.self) {
        try StateTransfer.plan(from: old, to: new, mayColdStart: false)
      }
      #expect(refusal?.message.contains("cold_start: on") == true)
    }
  }
}

@Suite struct HistoryFileTests {
  private func generation(_ number: Int, _ sha256: String, _ outcome: Generation.Outcome) -> Generation {
    var generation = Generation(
      number: number, sha256: sha256, version: "1.0.\(number)", copy: "/c/\(sha256).so", began: 1000, cause: .swap)
    generation.outcome = outcome
    return generation
  }

  @Test func survivesItsFile() throws {
    var history = RoleHistory()
    history.add(generation(1, "aa", .replaced))
    var second = generation(2, "bb", .reverted("it was sick"))
    second.pauseMicroseconds = 120
    second.stateBytes = 7
    history.add(second)
    history.add(generation(3, "cc", .running))
    history.quarantine("bb", because: "it was sick")
    #expect(RoleHistory(try JSON(parsing: history.json.description)) == history)
    #expect(RoleHistory(["generations": [["generation": "x"], 7]]) == RoleHistory())
  }

  @Test func knowsWhereToGoBackTo() {
    var history = RoleHistory()
    #expect(history.previous == nil && history.lastGood == nil)
    history.add(generation(1, "aa", .ended))
    history.add(generation(2, "bb", .replaced))
    history.add(generation(3, "cc", .reverted("")))
    history.add(generation(4, "dd", .refused("")))
    history.add(generation(5, "ee", .running))
    #expect(history.current?.number == 5)
    #expect(history.previous?.number == 2)
    #expect(history.nextNumber == 6)
    #expect(history.lastGood?.number == 5)
    history.quarantine("ee", because: "")
    #expect(history.lastGood?.number == 2)
    history.endAll()
    #expect(history.current == nil)
  }

  @Test func forgetsTheOldest() {
    var history = RoleHistory()
    for number in 1...(RoleHistory.limit + 5) { history.add(generation(number, "aa", .replaced)) }
    #expect(history.generations.count == RoleHistory.limit && history.generations[0].number == 6)
  }
}

@Suite struct SavedStateTests {
  private func digest(_ bytes: [UInt8]) -> String { "\(bytes.reduce(0) { $0 &* 31 &+ Int($1) })" }

  @Test func aFileThatIsNotWholeIsNoState() {
    let state = SavedState(role: "tally", version: 2, bytes: Array("1 2 3\n".utf8))
    let file = state.file(digest)
    #expect(SavedState(file: file, digest) == state)
    for cut in file.indices { #expect(SavedState(file: Array(file[..<cut]), digest) == nil) }
    for place in file.indices {
      var damaged = file
      damaged[place] ^= 0x20
      let read = SavedState(file: damaged, digest)
      // What the role or version is called is not covered by the digest.
      #expect(read == nil || read?.bytes == state.bytes)
    }
  }
}
