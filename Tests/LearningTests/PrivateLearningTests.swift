import NodeKit
import NodeTesting
import SecureSum
import Tensors
import Testing
import TrainerWire

@testable import LearningCore

/// Whole sessions of a server and trainers, with what keeps secrets.
@Suite struct PrivateLearningTests {
  private func difference(_ one: Weights, _ other: Weights) -> Float {
    zip(one.buffer.array, other.buffer.array).map { abs($0 - $1) }.max() ?? 0
  }

  /// Nobody sees a single update, and the model is the same.
  @Test func secureSumsTeachTheSame() throws {
    let plain = try Together(trainers: 4), secure = try Together(trainers: 4, settings: ["only_secure": true])
    let open = try plain.learn()
    var questions = 0
    secure.watch = { call, _ in questions += call.path == TrainerMethod.secure ? 1 : 0 }
    let closed = try secure.learn(["secure_aggregation": true])
    #expect(open.words == "finished" && closed.words == "finished")
    #expect(questions == 3 * 4 * 4)
    let before = try #require(open.model(1)), first = try #require(plain.host.blobs.objects[before.object])
    let learned = difference(try plain.weights(open), try Weights(Safetensors(first.bytes)))
    let apart = difference(try plain.weights(open), try secure.weights(closed))
    #expect(learned > 1e-2 && apart < 1e-5, "\(apart) of \(learned)")
    let models = try secure.events(closed, "model")
    #expect(models.compactMap { $0["updates"]?.int } == [4, 4, 4])
    #expect(secure.host.misuse.isEmpty && secure.trainers.allSatisfy { $0.misuse.isEmpty })
    // Models of the three versions, and nothing of the rounds.
    #expect(secure.host.blobs.objects.count == 3)
  }

  @Test func trainersMayInsistOnIt() throws {
    let together = try Together(trainers: 3, settings: ["only_secure": true])
    let session = try together.learn(rounds: 1)
    #expect(session.words.contains("failed"))
    let failures = try together.events(session, "failed")
    #expect(failures.contains { $0["why"]?.string?.contains("set secure_aggregation") == true })
  }

  /// One is silent from a point of the second round on: before its keys, after its shares, or in the end.
  @Test(arguments: [0, 2, 3]) func whoeverGoesIsLeftOut(_ question: Int) throws {
    let together = try Together(trainers: 4)
    var count = 0
    together.watch = { call, index in
      guard index == 2, call.path == TrainerMethod.secure else { return }
      if count == 4 + question { together.silent.insert(2) }
      count += 1
    }
    let session = try together.learn(["secure_aggregation": true, "secure_aggregation_args": ["timeout_s": 1] as JSON])
    #expect(session.words == "finished")
    // Whoever answers nothing in the end has brought its numbers all the same.
    let second = question == 3 ? 4 : 3
    #expect(try together.events(session, "model").compactMap { $0["updates"]?.int } == [4, Int64(second), 3])
    #expect(try together.weights(session).largest.isFinite)
  }

  /// Two of three are no majority of what the round began with once one more goes: the round is lost, the next is not.
  @Test func roundsOfTooFewAreLost() throws {
    let together = try Together(trainers: 3)
    var count = 0
    together.watch = { call, index in
      guard index > 0, call.path == TrainerMethod.secure else { return }
      count += 1
      // In the end of the first round.
      together.silent = (7...8).contains(count) ? [1, 2] : []
    }
    let session = try together.learn(["secure_aggregation": true, "secure_aggregation_args": ["timeout_s": 1] as JSON])
    #expect(session.words == "finished")
    #expect(try together.events(session, "step_failed").count == 1)
    #expect(together.host.blobs.objects.count == 3, "masked numbers of the lost round stay behind")
  }

  /// The noise is there, all count the same, and what it cost is told.
  @Test func noiseHasItsPrice() throws {
    let together = try Together(trainers: 4)
    let plain = try together.learn(["session_id": "plain", "secure_aggregation": true])
    let hidden = try together.learn(
      ["session_id": "noisy", "secure_aggregation": true, "privacy_delta": 1e-6],
      ["clip": 0.1, "noise_multiplier": 1.5])
    #expect(hidden.words == "finished")
    let count = Double(try together.weights(hidden).layout.count)
    let apart = zip(try together.weights(hidden).buffer.array, try together.weights(plain).buffer.array)
      .reduce(0.0) { $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1) }
    // Three rounds of the mean of four: 3 * (1.5 * 0.1)^2 / 4 for each number, and what clipping takes away.
    #expect(apart > 0.8 * count * 3 * 0.0225 / 4)
    let models = try together.events(hidden, "model")
    #expect(models.compactMap { $0["samples"]?.int } == [4, 4, 4])
    let spent = models.compactMap { $0["epsilon"]?.double }
    #expect(spent.count == 3 && spent == spent.sorted())
    var ledger = try #require(PrivacyLedger(hidden.document))
    for _ in 0..<3 { ledger.stepped(updates: 4, share: 1) }
    #expect(abs((spent.last ?? 0) - ledger.epsilon) < 1e-9)
  }
}
