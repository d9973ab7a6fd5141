import FuzzSupport
import NodeKit
import NodeTesting
import Tensors
import Testing
import TrainerWire
import Training

@testable import TrainerCore

@Suite struct TrainerTests {
  private static let training: JSON = ["dataset": "digits", "epochs": 2, "batch_size": 16, "learning_rate": 0.1]

  @Test func itSaysWhatItHas() throws {
    let play = try Play(
      ["capabilities": ["fast"], "held_out": 0.25],
      data: [
        "digits": ["format": "synthetic", "count": 200], "none": ["format": "csv", "path": "/nowhere", "label": "y"],
      ])
    let call = play.host.rpc(TrainerMethod.describe, [UInt8]())
    let description = try TrainerDescription(#require(call.messages.first))
    #expect(description.name == "node-a" && description.capabilities == ["fast"])
    #expect(description.dataSets.map(\.id) == ["digits"] && description.dataSets[0].samples == 150)
    #expect(description.dataSets[0].labels.reduce(0, +) == 150)
    #expect(description.models.contains("lenet-5") && description.forms == ["f32", "f16", "bf16", "int8", "qsgd"])
    #expect(try play.host.health() != .ok, "one data set is not there")
    let status: JSON = try play.host.call("status")
    #expect(status["data"]?[1]?["error"]?.string?.contains("/nowhere") == true, "\(status)")
    #expect(play.host.misuse.isEmpty)
  }

  @Test func aModelIsTrained() throws {
    let play = try Play(), file = try Play.file()
    let answer = try play.train(Play.task(Self.training, file: file), file)
    #expect(answer.quality.samples == 180 && !answer.had)
    let layout = try Play.weights().layout
    let trained = try UpdateDecoder(layout).decode(answer.file, .plain, base: nil)

    // The same with the engine alone.
    let engine = try TrainingEngine(ModelDescription(json: Play.model), batch: 16, seed: 6)
    try engine.setParameters(Play.weights().buffer.array)
    try engine.optimise(.sgd(rate: 0.1))
    let all = try DataSource(json: ["format": "synthetic", "count": 200, "noise": 0.2]).load()
    let data = try LoadedData(all, heldOut: 0.1)
    let report = try engine.train(
      on: data.training.shaped(SampleShape(784)), LocalTraining(epochs: 2, batch: 16, seed: 6))
    #expect(trained.buffer.array == engine.parameters)
    #expect(answer.quality.loss == report.score.loss && answer.quality.accuracy == report.score.accuracy)

    // Asked again it is the same work; asked otherwise it is not.
    #expect(try play.train(Play.task(Self.training, file: file), file).file == answer.file)
    #expect(try play.train(Play.task(Self.training, ticket: 2, file: file), file).file != answer.file)
    #expect(play.host.misuse.isEmpty)
  }

  @Test func whatItHasNeedNotBeSent() throws {
    let play = try Play(), file = try Play.file()
    let task = Play.task(Self.training, file: file)
    let tried = play.open(task, file, by: TrainerMethod.validate)
    play.host.clock.advance(by: .seconds(1))
    let quality = try ModelQuality(#require(tried.messages.first))
    #expect(quality.samples == 20 && quality.accuracy != nil)
    let call = play.host.openRpc(TrainerMethod.train)
    call.send(TrainingRequest.task(task).bytes)
    #expect(try TrainingAnswer(#require(call.messages.first)) == .have)
    play.host.clock.advance(by: .seconds(1))
    #expect(try Play.answer(call).had)
    // Pieces that were under way do no harm.
    #expect(try play.train(task, file).had)
    // Of other bytes it has nothing, whatever their size.
    let other = try Play.file(seed: 8)
    #expect(other.count == file.count)
    #expect(try !play.train(Play.task(Self.training, file: other), other).had)
  }

  @Test func trainingMakesItBetter() throws {
    let play = try Play(), layout = try Play.weights().layout
    var file = try Play.file(), losses: [Double] = []
    for round in 1...4 {
      let answer = try play.train(Play.task(Self.training, ticket: UInt64(round), file: file), file)
      losses.append(answer.quality.loss)
      file = try UpdateDecoder(layout).decode(answer.file, .plain, base: nil).file()
    }
    #expect(losses == losses.sorted(by: >) && losses[3] < losses[0] / 2, "\(losses)")
    let tried = play.open(Play.task(Self.training, file: file), file, by: TrainerMethod.validate)
    play.host.clock.advance(by: .seconds(1))
    #expect(try ModelQuality(#require(tried.messages.first)).accuracy! > 0.7)
  }

  @Test func withoutAnEpochTheModelComesBackAsItWas() throws {
    let play = try Play(), file = try Play.file(), layout = try Play.weights().layout
    let answer = try play.train(Play.task(["dataset": "digits", "epochs": 0], file: file), file)
    #expect(
      try UpdateDecoder(layout).decode(answer.file, .plain, base: nil).buffer.array == Play.weights().buffer.array)
    #expect(answer.quality.samples == 180 && answer.quality.accuracy != nil)
    // Others would wait for what it never learns.
    #expect(throws: RoleError.self) {
      try Play(["gossip": ["rounds": 3, "training": ["dataset": "digits", "epochs": 0]]])
    }
  }

  @Test(arguments: ["f16", "bf16", "int8", "qsgd", "f32+delta", "f16+top0.1", "int8+top0.1+zstd3", "f32+zstd3"])
  func updatesComeInTheFormThatIsAskedFor(_ form: String) throws {
    let play = try Play(), file = try Play.file(), base = try Play.weights()
    let plain = try play.train(Play.task(Self.training, file: file), file)
    let answer = try play.train(Play.task(Self.training, form: form, file: file), file)
    let decoded = try UpdateDecoder(base.layout).decode(answer.file, UpdateForm(form), base: base)
    let whole = try UpdateDecoder(base.layout).decode(plain.file, .plain, base: nil)
    let worst = zip(decoded.buffer.array, whole.buffer.array).map { abs($0 - $1) }.max()!
    #expect(worst < (form.contains("top") ? 0.2 : 0.01), "\(worst)")
    #expect(form.hasPrefix("f32") || answer.file.count < plain.file.count)
    // Error feedback is of the next ticket, not of the same one.
    #expect(try play.train(Play.task(Self.training, form: form, file: file), file).file == answer.file)
  }

  @Test func whatIsLeftOutComesLater() throws {
    let play = try Play(), file = try Play.file(), base = try Play.weights()
    let form = "f32+top0.05"
    func update(_ ticket: UInt64) throws -> [Float] {
      let answer = try play.train(Play.task(Self.training, form: form, ticket: ticket, file: file), file)
      return try UpdateDecoder(base.layout).decode(answer.file, UpdateForm(form), base: base).buffer.array
    }
    let first = try update(1), second = try update(2)
    let fresh = try Play()
    let alone = try fresh.train(Play.task(Self.training, form: form, ticket: 2, file: file), file)
    let without = try UpdateDecoder(base.layout).decode(alone.file, UpdateForm(form), base: base).buffer.array
    #expect(second != without, "what the first has left out is in the second")
    #expect(try update(2) == second && update(2) == second)
    #expect(first != second)
  }

  @Test func aTaskThatCannotBeDoneSaysWhy() throws {
    let play = try Play(["model_bytes": 100_000]), file = try Play.file()
    func words(_ training: JSON, _ status: Status, _ words: String, form: String = "f32", model: JSON = Play.model) {
      let ending = play.failure(Play.task(training, form: form, file: file, model: model), file)
      #expect(ending?.status == status && ending?.message.contains(words) == true, "\(ending as Any)")
    }
    words(["dataset": "faces"], .notFound, "there is no data set `faces` here, but `digits`")
    words(["optimizer": "lion"], .invalidArgument, "/client_training_config/optimizer: there is no optimizer `lion`")
    words(["loss_function": "hinge"], .invalidArgument, "there are crossentropy and mse")
    words(["epochs": -1], .invalidArgument, "/client_training_config/epochs: -1 is not from 0 to 10000")
    words([:], .invalidArgument, "begins with f32", form: "f8")
    words(["model_id": "vgg"], .invalidArgument, "there is no model `vgg`", model: .null)
    words([:], .invalidArgument, "/model_config/description/layers", model: ["input": [4], "layers": [["dense": 0]]])
    words([:], .invalidArgument, "they are of two models", model: ["input": [784], "layers": [["dense": 4000]]])
    words(["learning_rate": 1000, "optimizer": "sgd", "momentum": 0.9], .failedPrecondition, "smaller learning")
    let other: JSON = ["input": [784], "layers": [["dense": 9], "relu", ["dense": 10]]]
    words([:], .invalidArgument, "`0.weight` should be [9, 784] and is [12, 784]", model: other)
    let small: JSON = ["input": [16], "layers": [["dense": 10]]], few = try Play.file(small)
    #expect(play.failure(Play.task(file: few, model: small), few)?.message.contains("do not fit a model") == true)
    let three: JSON = ["input": [784], "layers": [["dense": 3]]], third = try Play.file(three)
    #expect(play.failure(Play.task(file: third, model: three), third)?.message.contains("3 numbers") == true)
    #expect(play.host.misuse.isEmpty)
    let status: JSON = try play.host.call("status")
    #expect(status["failed"] == 12 && status["open"] == 0 && status["trained"] == 0, "\(status)")
  }

  /// Its SHA-256 was not compared, so nobody else may find it by that.
  @Test func aModelIsKeptByTheDigestThatWasCompared() throws {
    let play = try Play(), file = try Play.file()
    var task = Play.task(file: file)
    task.tree = ModelTree.digest(file)
    #expect(try !play.train(task, file).had)
    #expect(try play.train(task, file).had)
    task.tree = ""
    #expect(try !play.train(task, file).had)
  }

  @Test func aModelThatIsNotWhatWasAnnouncedIsRefused() throws {
    let play = try Play(), file = try Play.file()
    var task = Play.task(file: file), other = file
    other[file.count - 3] ^= 1
    #expect(play.failure(task, other)?.status == .dataLoss)
    #expect(
      play.failure(task, Array(file.dropLast()))?.message.contains("\(file.count - 1) bytes of the model") == true)
    #expect(play.failure(task, file + [0])?.message.contains("more than the") == true)
    #expect(play.failure(Play.task(file: other), other)?.status == .ok)
    task.tree = ModelTree.digest(file)
    #expect(play.failure(task, other)?.message.contains("and \(task.tree) was announced") == true)
    var lying = file
    lying[0] ^= 0x40
    #expect(play.failure(Play.task(file: lying), lying)?.message.contains("the model's file") == true)
    var endless = file
    withUnsafeBytes(of: Float.nan) { endless.replaceSubrange(file.count - 4..<file.count, with: $0) }
    #expect(play.failure(Play.task(file: endless), endless)?.message.contains("no number") == true)
    task.size = 0
    #expect(play.failure(task, [])?.message.contains("a task without a model") == true)
    task.size = 1 << 40
    #expect(play.failure(task, [])?.status == .resourceExhausted)
    for bytes in [TrainingRequest.piece([1]).bytes, [1, 2, 3]] {
      let call = play.host.openRpc(TrainerMethod.train)
      call.send(bytes)
      #expect(call.status == .invalidArgument)
    }
    let call = play.host.openRpc(TrainerMethod.train)
    call.finish()
    #expect(call.status == .invalidArgument && play.host.misuse.isEmpty)
  }

  @Test func tasksWaitForOneAnother() throws {
    let play = try Play(["tasks": 3]), file = try Play.file()
    play.host.workTakes = .seconds(2)
    let calls = (1...4).map { play.open(Play.task(Self.training, ticket: UInt64($0), file: file), file) }
    #expect(calls.map(\.status) == [nil, nil, nil, .resourceExhausted])
    #expect(try (play.host.call("status") as JSON)["waiting"] == 2)
    play.host.clock.advance(by: .seconds(3))
    #expect(calls[0].status == .ok && calls[1].status == nil)
    // Who gives up while it waits is not trained; the next one is.
    calls[1].cancel()
    play.host.clock.advance(by: .seconds(5))
    #expect(calls[2].status == .ok)
    let status: JSON = try play.host.call("status")
    #expect(status["trained"] == 2 && status["open"] == 0 && status["waiting"] == 0, "\(status)")
    #expect(play.host.misuse.isEmpty)
  }

  @Test func whoCancelsEndsTheWork() throws {
    let play = try Play(), file = try Play.file()
    play.host.workTakes = .seconds(60)
    let call = play.open(Play.task(Self.training, file: file), file)
    play.host.clock.advance(by: .seconds(1))
    call.cancel()
    play.host.workTakes = .zero
    #expect(try play.train(Play.task(Self.training, ticket: 2, file: file), file).quality.samples == 180)
    #expect(play.host.misuse.isEmpty)
  }

  @Test func updatesGoAsFastAsTheServerReads() throws {
    let model: JSON = ["input": [784], "layers": [["dense": 900], "relu", ["dense": 10]]]
    let play = try Play(), file = try Play.file(model)
    let call = play.open(Play.task(["max_batches": 1], file: file, model: model), file, room: 1)
    play.host.clock.advance(by: .seconds(1))
    #expect(call.messages.count == 1 && call.status == nil)
    for _ in 0..<100 where call.status == nil { call.read() }
    #expect(try Play.answer(call).file.count >= file.count && call.messages.count > 10)
    // A server that goes away while it is sent: nothing stays behind.
    let second = play.open(Play.task(["max_batches": 1], file: file, model: model), file, room: 1)
    play.host.clock.advance(by: .seconds(1))
    second.cancel()
    #expect(try (play.host.call("status") as JSON)["open"] == 0)
    #expect(play.host.misuse.isEmpty)
  }

  @Test func aSwapEndsWhatIsOpen() throws {
    let play = try Play(), file = try Play.file()
    play.host.workTakes = .seconds(60)
    let call = play.open(Play.task(Self.training, file: file), file)
    play.host.clock.advance(by: .seconds(1))
    let next = try play.host.swap(to: Trainer.self, config: ["data": ["digits": ["format": "synthetic"]]])
    #expect(call.status == .unavailable)
    next.clock.advance(by: .seconds(1))
    #expect(try (next.call("status") as JSON)["open"] == 0)
    #expect(play.host.misuse.isEmpty && next.misuse.isEmpty)
  }

  @Test func benchmarksEndEarly() throws {
    let play = try Play(), file = try Play.file()
    let short: JSON = ["epochs": 100, "batch_size": 10, "max_batches": 3, "learning_rate": 0.1]
    let answer = try play.train(Play.task(short, file: file), file)
    let engine = try TrainingEngine(ModelDescription(json: Play.model), batch: 10, seed: 6)
    try engine.setParameters(Play.weights().buffer.array)
    try engine.optimise(.sgd(rate: 0.1))
    let data = try LoadedData(
      DataSource(json: ["format": "synthetic", "count": 200, "noise": 0.2]).load(), heldOut: 0.1)
    let report = try engine.train(
      on: data.training.shaped(SampleShape(784)), LocalTraining(epochs: 1, batch: 10, seed: 6, stepLimit: 3))
    #expect(report.steps == 3 && answer.quality.loss == report.score.loss)
    // The task itself may say so, too.
    var task = Play.task(["epochs": 100, "batch_size": 10, "learning_rate": 0.1], file: file)
    task.batches = 3
    #expect(try play.train(task, file).file == answer.file)
  }

  @Test func proximalTermsHoldOn() throws {
    let play = try Play(), file = try Play.file(), base = try Play.weights()
    func moved(_ proximal: Double) throws -> Double {
      var settings = Self.training.object!
      settings["proximal"] = .double(proximal)
      let answer = try play.train(Play.task(.object(settings), file: file), file)
      let new = try UpdateDecoder(base.layout).decode(answer.file, .plain, base: nil).buffer.array
      return zip(new, base.buffer.array).reduce(0) { $0 + Double(($1.0 - $1.1) * ($1.0 - $1.1)) }
    }
    let free = try moved(0), held = try moved(5)
    #expect(held < free / 2, "\(held) and \(free)")
  }

  @Test func partsOfOneFileAreCut() throws {
    func samples(_ part: JSON) throws -> (Int, [UInt64]) {
      let play = try Play(
        ["held_out": 0], data: [["id": "d", "format": "synthetic", "count": 300, "part": part] as JSON])
      let call = play.host.rpc(TrainerMethod.describe, [UInt8]())
      let set = try TrainerDescription(#require(call.messages.first)).dataSets[0]
      return (set.samples, set.labels)
    }
    #expect(try samples(["number": 1, "of": 3]).0 == 100)
    let parts = try (1...3).map { try samples(["number": JSON($0), "of": 3, "alpha": 0.1]) }
    #expect(parts.reduce(0) { $0 + $1.0 } == 300 && Set(parts.map(\.0)).count > 1)
    #expect(throws: RoleError.self) { try samples(["number": 4, "of": 3]) }
    #expect(throws: RoleError.self) { try Play(data: []) }
    #expect(throws: RoleError.self) { try Play(data: ["d": ["format": "tiff"]]) }
    #expect(throws: RoleError.self) { try Play(data: ["d": ["format": "synthetic", "cuont": 3]]) }
  }

  @Test func whateverComes() throws { try fuzz("training", fuzzTrainingOrder) }
}
