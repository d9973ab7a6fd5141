import Glibc
import Testing

/// The properties of figure 3 of the Raft paper, under many schedules.
@Suite struct SafetyTests {
  /// With NODEHOST_LONG_TESTS in the environment, thousands.
  private static let schedules = getenv("NODEHOST_LONG_TESTS") == nil ? 50 : 6_000

  private func run(_ settings: RaftWorld.Settings, _ seed: UInt64) -> RaftWorld {
    var world = RaftWorld(settings, seed: seed)
    for _ in 0..<4 {
      world.run(milliseconds: 1_000)
      world.checkMatching()
    }
    let count = world.final.count
    world.calm()
    world.run(milliseconds: 2_000)
    world.proposeToLeader()
    world.run(milliseconds: 700)
    world.checkMatching()
    world.checkAgreement(since: count)
    return world
  }

  @Test(arguments: [3, 5, 4, 1]) func theyHoldWhateverHappens(members: Int) {
    var settings = RaftWorld.Settings()
    settings.members = members
    var finals = 0, reads = 0
    for seed in 1...UInt64(Self.schedules / (members == 3 || members == 5 ? 1 : 5)) {
      // Every other one with much that is late, and with entries one by one.
      settings.lateOneIn = seed % 2 == 0 ? 4 : 50
      settings.batchEntries = seed % 2 == 0 ? 1 : 4_000
      let world = run(settings, seed)
      #expect(world.problem == nil, "\(members) members, seed \(seed): \(world.problem!)")
      finals += world.final.count
      reads += world.confirmedReads
    }
    // Something happens at all.
    let count = Self.schedules / (members == 3 || members == 5 ? 1 : 5)
    #expect(finals > count * 20 && reads > count * 10, "\(finals) entries, \(reads) reads")
  }
}
