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
    let quality = ModelQuality(samples: 3, loss: 0.25, accuracy: nil)
    #expect(try ModelQuality(quality.bytes) == quality)
    let answer = TrainingAnswer.update(quality, size: 12, seconds: 0.5)
    #expect(try TrainingAnswer(answer.bytes) == answer)
  }
}
