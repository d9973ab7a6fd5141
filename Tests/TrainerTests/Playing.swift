import NodeKit
import NodeTesting
import Tensors
import Testing
import TrainerWire
import Training

@testable import TrainerCore

/// A trainer on a fake host, and the server's side of its calls.
final class Play {
  static let model: JSON = ["input": [784], "layers": [["dense": 12], "relu", ["dense": 10]]]
  let host: FakeHost

  init(_ settings: JSON = [:], data: JSON? = nil) throws {
    var config = settings.object ?? JSONObject()
    config["data"] =
      data ?? ["digits": ["format": "synthetic", "count": 200, "noise": 0.2] as JSON]
    host = try FakeHost(Trainer.self, config: .object(config))
    try host.start()
    host.clock.advance(by: .milliseconds(1))
  }

  /// The model's file, with numbers as they are at first.
  static func file(_ model: JSON = model, seed: UInt64 = 7) throws -> [UInt8] { try weights(model, seed: seed).file() }

  static func weights(_ model: JSON = model, seed: UInt64 = 7) throws -> Weights {
    let engine = try TrainingEngine(ModelDescription(json: model), batch: 1, seed: seed)
    return Weights(try engine.layout, FloatBuffer(engine.parameters))
  }

  static func task(
    _ training: JSON = [:], form: String = "f32", ticket: UInt64 = 1, file: [UInt8], model: JSON = model
  ) -> TrainingTask {
    var task = TrainingTask()
    (task.session, task.ticket, task.form) = ("s", ticket, form)
    (task.training, task.model) = (training.description, model.description)
    (task.size, task.sha256, task.seed) = (UInt64(file.count), (try? hexadecimalSHA256(file)) ?? "", 5 &+ ticket)
    return task
  }

  func open(_ task: TrainingTask, _ file: [UInt8], by path: String = TrainerMethod.train, room: Int = .max)
    -> PendingRpc
  {
    let call = host.openRpc(path, room: room)
    call.send(TrainingRequest.task(task).bytes)
    for start in stride(from: 0, to: file.count, by: 10_000) {
      call.send(TrainingRequest.piece(file[start..<min(start + 10_000, file.count)]).bytes)
    }
    call.finish()
    return call
  }

  /// What came of a training.
  struct Answer {
    var quality: ModelQuality
    var file: [UInt8]
    var had: Bool
  }

  func train(_ task: TrainingTask, _ file: [UInt8]) throws -> Answer {
    let call = open(task, file)
    host.clock.advance(by: .seconds(1))
    return try Self.answer(call)
  }

  static func answer(_ call: PendingRpc) throws -> Answer {
    try #require(call.status == .ok, "\(call.ending as Any)")
    var answer: Answer?, had = false, size: UInt64 = 0
    for message in call.messages {
      switch try TrainingAnswer(message) {
      case .have: had = true
      case .progress: break
      case .update(let quality, let bytes, _):
        answer = Answer(quality: quality, file: [], had: had)
        size = bytes
      case .piece(let piece): answer?.file += piece
      }
    }
    let whole = try #require(answer)
    #expect(whole.file.count == Int(size))
    return whole
  }

  func failure(_ task: TrainingTask, _ file: [UInt8], by path: String = TrainerMethod.train) -> RpcEnding? {
    let call = open(task, file, by: path)
    host.clock.advance(by: .seconds(1))
    return call.ending
  }
}
