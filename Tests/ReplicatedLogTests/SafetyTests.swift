import Glibc
import Testing

/// The properties of figure 3 of the Raft paper, under many schedules.
@Suite struct SafetyTests {
  private static let isLong = getenv("NODEHOST_LONG_TESTS") != nil

  @Test(arguments: [3, 5, 4, 1]) func theyHoldWhateverHappens(members: Int) {
    let schedules = (Self.isLong ? 4_000 : 40) / (members == 3 || members == 5 ? 1 : 5)
    var finals = 0, reads = 0
    for seed in 1...UInt64(schedules) {
      let world = RaftWorld.run(members: members, seed: seed)
      #expect(world.problem == nil, "\(members) members, seed \(seed): \(world.problem!)")
      finals += world.final.count
      reads += world.confirmedReads
    }
    // Something happens at all.
    #expect(finals > schedules * 20 && reads > schedules * 10, "\(finals) entries, \(reads) reads")
  }

  /// Each broken core is found, but for those that need so rare a schedule that PaperTests has it. They are built here,
  /// which takes its time.
  @Test(
    .enabled(if: isLong),
    arguments: [
      ("EARLY_ANSWER", "is final on"), ("UNSYNCED_ANSWER", "is final on"),
      ("STALE_READ", "were final before it"), ("APPLIES_TWICE", "has applied"),
    ])
  func brokenCoresAreFound(fault: String, words: String) throws {
    let found = try BrokenCore(fault).run(seeds: 4_000)
    #expect(found.contains(words), "\(found)")
  }
}
