import NodeKit
import Testing

@testable import GatewayCore

/// Who is silent for too long, and who may expire.
@Suite struct LivenessTests {
  private func node(_ id: Int32) -> Node { Node(id: id, instance: "", info: [], joined: 0, revision: UInt64(id)) }

  @Test func eachNodeIsOverWhenItsOwnTimeIs() {
    var liveness = Liveness(timeout: 1_280_000_000), nodes: [Int32: Node] = [:], over: [Int32: Int64] = [:]
    liveness.begin([], now: 0)
    func advance(_ now: Int64) { liveness.advance(to: now, { nodes[$0] }, { over[$0.id] = now }) }
    for step in 0..<600 {
      let now = Int64(step) * 10_000_000
      if step < 100 {
        let new = node(Int32(step + 1))
        new.seen = now
        nodes[new.id] = new
        liveness.add(new, now: now)
      }
      // Half of them send heartbeats for three seconds.
      if step < 300, step % 20 == 0 { for node in nodes.values where node.id % 2 == 0 { node.seen = now } }
      advance(now)
    }
    #expect(over.count == 100)
    for (id, at) in over {
      let silence = at - nodes[id]!.seen
      #expect((1_280_000_000...1_310_000_000).contains(silence), "node \(id) after \(silence)")
    }
  }

  @Test func whoeverBeginsToLeadGivesEverybodyAFullTimeout() {
    var liveness = Liveness(timeout: 1_000_000_000), over = 0
    let old = node(1)
    old.seen = 0
    liveness.begin([old], now: 50_000_000_000)
    liveness.advance(to: 50_900_000_000, { _ in old }, { _ in over += 1 })
    #expect(over == 0)
    liveness.advance(to: 51_100_000_000, { _ in old }, { _ in over += 1 })
    #expect(over == 1)
    // It is told once.
    liveness.advance(to: 60_000_000_000, { _ in old }, { _ in over += 1 })
    #expect(over == 1)
    liveness.watchAgain(old)
    liveness.advance(to: 60_100_000_000, { _ in old }, { _ in over += 1 })
    #expect(over == 2)
  }

  @Test func aTickLooksAtNoMoreThanItMay() {
    var liveness = Liveness(timeout: 1_000_000_000), over = 0
    let nodes = Dictionary(uniqueKeysWithValues: (1...10_000).map { (Int32($0), node(Int32($0))) })
    liveness.begin(nodes.values, now: 0)
    liveness.advance(to: 2_000_000_000, { nodes[$0] }, { _ in over += 1 })
    #expect(over == Liveness.mostPerTick)
    for tick in 1...4 {
      liveness.advance(to: 2_000_000_000 + Int64(tick) * 8_000_000, { nodes[$0] }, { _ in over += 1 })
    }
    #expect(over == 10_000)
  }

  @Test func veryManyDoNotExpireAtOnce() {
    var budget = ExpiryBudget(least: 10, percent: 20, timeout: 1_000)
    #expect(budget.left(of: 5, now: 0) == 10)
    #expect(budget.left(of: 1_000, now: 0) == 200)
    budget.spend(150, now: 0)
    // A fifth of the thousand that were there.
    #expect(budget.left(of: 850, now: 10) == 50)
    budget.spend(50, now: 500)
    #expect(budget.left(of: 800, now: 999) == 0)
    #expect(budget.left(of: 800, now: 1_001) == 120)
    #expect(budget.left(of: 800, now: 1_501) == 160)
  }
}
