import Testing

@testable import ElectorCore

/// What H. Garcia-Molina, "Elections in a Distributed Computing System" (IEEE Transactions on Computers C-31, 1982)
/// claims of the bully algorithm in section III, claim by claim, under its assumptions: nodes that halt, messages that
/// arrive in bounded time.
@Suite struct BullyTests {
  /// "the node with the highest identification number" becomes the coordinator.
  @Test func theHighestOfThoseThatLiveLeads() {
    let town = Town([1, 2, 3, 4, 5], classic: true)
    #expect(town.time(until: 5) != nil)
    #expect(town.leading == [5])
    town.crash(5)
    #expect(town.time(until: 4) != nil)
    town.crash(4)
    town.crash(1)
    #expect(town.time(until: 3) != nil)
    #expect(town.leading == [3])
  }

  /// A node first tries "to contact all nodes with higher priority"; if any answers, it gives up and waits.
  @Test func whoeverIsAnsweredByAHigherNodeStandsBack() {
    var low = BullyElector(me: 1, others: [2, 3], timing: .lan, now: 0)
    for node in [2, 3] { low.linkChanged(node, isUp: true, 0) }
    _ = low.takeEffects()
    low.tick(low.nextTick)
    #expect(sent(low.takeEffects(), .election) == [2, 3])
    low.received(ElectorMessage(.ok), from: 3, low.nextTick - 1)
    #expect(low.standing.state == .waiting)
    // It "waits for the new coordinator"; if that fails, it starts again.
    low.tick(low.nextTick)
    #expect(sent(low.takeEffects(), .election) == [2, 3])
  }

  /// If no higher node answers within the time limit, it "can proceed" to make itself the coordinator, and tells all
  /// lower ones.
  @Test func silenceOfAllHigherNodesMakesACoordinator() {
    var middle = BullyElector(me: 2, others: [1, 3], timing: .lan, now: 0)
    for node in [1, 3] { middle.linkChanged(node, isUp: true, 0) }
    middle.tick(middle.nextTick)
    middle.tick(middle.nextTick)
    #expect(middle.standing.state == .leading)
    #expect(sent(middle.takeEffects(), .coordinator).contains(1))
  }

  /// A node that recovers and is higher than the coordinator takes over, by force if need be: hence the name.
  @Test func aHigherNodeThatRecoversBulliesTheLowerOut() {
    let town = Town([1, 2, 3], classic: true)
    _ = town.time(until: 3)
    town.crash(3)
    #expect(town.time(until: 2) != nil)
    town.start(3)
    #expect(town.time(until: 3) != nil)
    #expect(town.leading == [3])
  }

  /// Several elections at once end with one coordinator.
  @Test func electionsAtTheSameTimeEndWithOneCoordinator() {
    let town = Town([1, 2, 3, 4, 5, 6, 7], classic: true)
    _ = town.time(until: 7)
    for round in 0..<20 {
      let gone = 7 - round % 3
      town.crash(gone)
      town.crash(1 + round % 3)
      town.run(milliseconds: 1000)
      #expect(town.leading == [(1...7).last { town.electors[$0] != nil }!], "round \(round)")
      town.start(gone)
      town.start(1 + round % 3)
      town.run(milliseconds: 1000)
      #expect(town.leading == [7], "round \(round)")
    }
  }

  /// The assumption that the paper states and networks break: a partition has a coordinator on each side. It is why
  /// `classic` is not the default.
  @Test func eachSideOfAPartitionHasItsOwnCoordinator() {
    let town = Town([1, 2, 3, 4, 5], classic: true)
    _ = town.time(until: 5)
    town.part([1, 2, 3], [4, 5])
    town.run(milliseconds: 1500)
    #expect(town.leading == [3, 5])
    town.heal()
    #expect(town.time(until: 5) != nil)
    #expect(town.leading == [5])
  }

  @Test func aPriorityGoesBeforeTheId() {
    let town = Town([1, 2, 3], classic: true, priorities: [1: 5])
    #expect(town.time(until: 1) != nil)
  }

  private func sent(_ effects: [Effect], _ kind: ElectorMessage.Kind) -> [Int] {
    effects.compactMap { if case .send(let message, let to) = $0, message.kind == kind { to } else { nil } }
  }
}
