import NodeKit
import NodeTesting
import Testing

@testable import LearningCore

/// What a server says of a session while its disk takes its time.
@Suite struct ShownTests {
  @Test func noRoundIsShownBeforeTheDiskHasIt() throws {
    let together = try Together(trainers: 2)
    together.host.store.takes = .milliseconds(300)
    let session = try together.begin()
    var shown: Set<Int> = []
    for _ in 0..<2_000 where !session.isOver {
      together.advance(by: .milliseconds(50))
      let entry = try #require(together.host.store["session/s/record"])
      let stored = try SessionRecord(JSON(parsing: entry.text))
      #expect(session.version <= stored.version)
      #expect(session.newest?.object == session.model(session.version)?.object)
      shown.insert(session.version)
    }
    #expect(session.isOver && shown == [0, 1, 2, 3])
  }
}
