import FuzzSupport
import NodeKit
import Testing
import TrainerWire

@Suite struct WireTests {
  @Test func whateverComesFromTrainersIsReadOrRefused() throws { try fuzz("trainers", fuzzTrainerWire) }

  @Test func aTaskIsReadAsItWasWritten() throws {
    var task = TrainingTask()
    (task.session, task.ticket, task.version, task.batches) = ("s", 1 << 60, 7, 3)
    (task.training, task.model, task.form, task.size, task.sha256, task.seed) = ("{}", "null", "f32", 9, "ab", .max)
    #expect(try TrainingRequest(TrainingRequest.task(task).bytes) == .task(task))
    task.tree = "cd"
    #expect(try TrainingRequest(TrainingRequest.task(task).bytes) == .task(task))
    let quality = ModelQuality(samples: 3, loss: 0.25, accuracy: nil)
    #expect(try ModelQuality(quality.bytes) == quality)
    let answer = TrainingAnswer.update(quality, size: 12, seconds: 0.5)
    #expect(try TrainingAnswer(answer.bytes) == answer)
    for piece: ArraySlice<UInt8> in [[], [1, 2]] {
      #expect(try TrainingRequest(TrainingRequest.piece(piece).bytes) == .piece(piece))
      #expect(try piece.withUnsafeBytes { try TrainingAnswer(TrainingAnswer.message(of: $0)) } == .piece(piece))
    }
  }

  /// Made with Python's hashlib, as trainer.proto says.
  @Test(arguments: [
    (1, "1406e05881e299367766d313e26c05564ec91bf721d31726bd6e46e60689539a"),
    (65_536, "7987ee9385a282d7aa328049fc966ba20a3d3e933dc3a7749261d400df119bf6"),
    (3_000_001, "c87b76b209418be75c2c03b137f1f504585efec9cb03249985c76673ce24f61f"),
  ]) func theTreeOfAModel(_ size: Int, _ expected: String) {
    let model = (0..<size).map { UInt8(truncatingIfNeeded: $0 * 7 + ($0 >> 9)) }
    #expect(ModelTree.digest(model) == expected)
    var tree = ModelTree()
    for start in stride(from: 0, to: size, by: 77_777) { tree.add(model[start..<min(size, start + 77_777)]) }
    #expect(tree.digest() == expected)
  }
}
