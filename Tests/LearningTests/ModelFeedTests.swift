import NodeKit
import NodeTesting
import Testing
import TrainerWire

@testable import LearningCore

/// One read of a model for many: who keeps up, who falls behind, and who goes.
@Suite struct ModelFeedTests {
  let together: Together
  let model = (0..<20 << 20).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 11) }
  let object: String

  init() throws {
    together = try Together(trainers: 0)
    object = together.host.blobs.add(model)
  }

  private var blobs: Blobs { together.server.context.blobs }

  /// What one taker has got so far.
  private final class Taker {
    let feed: ModelFeed
    var number = 0
    var bytes: [UInt8] = []
    var ending: String?

    init(_ feed: ModelFeed, from start: Int = 0) {
      self.feed = feed
      feed.join(from: start)
    }

    /// At most so many messages.
    func take(_ most: Int) throws {
      for _ in 0..<most where ending == nil {
        switch feed.next(number, whenMore: {}) {
        case .message(let message, let count):
          guard case .piece(let piece) = try TrainingRequest(message), piece.count == count else {
            throw RoleError(.dataLoss, "no piece of a model")
          }
          bytes += piece
          number += 1
        case .later: return
        case .end: ending = "end"
        case .passed: ending = "passed"
        case .failed(let error): ending = error.message
        }
      }
    }
  }

  private func run(_ takers: [(Taker, most: Int)]) throws {
    for _ in 0..<2_000 where takers.contains(where: { $0.0.ending == nil && $0.most > 0 }) {
      for (taker, most) in takers { try taker.take(most) }
      together.advance(by: .milliseconds(50))
    }
  }

  @Test func whoKeepsUpSharesTheRead() throws {
    let feed = ModelFeed(blobs, object), takers = [Taker(feed), Taker(feed)]
    try run([(takers[0], 7), (takers[1], 3)])
    #expect(takers.map(\.ending) == ["end", "end"])
    #expect(takers.allSatisfy { $0.bytes == model })
  }

  @Test func whoFallsBehindReadsOnAlone() throws {
    let feeds = ModelFeeds(blobs), first = feeds.feed(of: object), fast = Taker(first), slow = Taker(first)
    try slow.take(1)
    try run([(fast, 64), (slow, 0)])
    #expect(fast.ending == "end" && fast.bytes == model)
    try run([(slow, 1)])
    #expect(slow.ending == "passed" && slow.bytes.count < model.count)
    let alone = Taker(ModelFeed(blobs, object), from: slow.bytes.count)
    try run([(alone, 16)])
    #expect(alone.ending == "end" && slow.bytes + alone.bytes == model)
    #expect(feeds.feed(of: object) !== first, "who comes now could not have all of it")
  }

  @Test func theReadEndsWithTheLastWhoTakes() throws {
    let feeds = ModelFeeds(blobs), feed = feeds.feed(of: object), one = Taker(feed), other = Taker(feed)
    try one.take(2)
    feed.leave()
    together.advance(by: .seconds(1))
    try other.take(10_000)
    #expect(other.ending == nil, "the other one goes on")
    feed.leave()
    try other.take(10_000)
    #expect(other.ending?.contains("nobody takes") == true)
    #expect(feeds.feed(of: object) !== feed)
  }

  @Test func aModelThatIsGoneFailsForAll() throws {
    let feed = ModelFeed(blobs, String(repeating: "0", count: 64)), takers = [Taker(feed), Taker(feed)]
    try run(takers.map { ($0, 1) })
    #expect(takers.allSatisfy { $0.ending != nil && $0.ending != "end" && $0.bytes.isEmpty })
  }
}
