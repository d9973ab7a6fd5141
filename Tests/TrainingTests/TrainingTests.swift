import NodeKit
import Testing

@testable import Training

@Suite struct TrainingTests {
  private static let images = SyntheticImages(seed: 7)

  @Test(arguments: [("mlp", 0.9, 4), ("lenet-5", 0.95, 4), ("resnet-8", 0.95, 4)])
  func shippedModelsLearn(_ name: String, _ accuracy: Double, _ epochs: Int) throws {
    let engine = try TrainingEngine(ModelDescription(json: .string(name)), seed: 1)
    let learned = Self.images.samples(1_500), unseen = Self.images.samples(400, stream: 1)
    let before = try engine.evaluate(unseen)
    #expect(before.accuracy < 0.3)
    try engine.optimise(.sgd(rate: 0.02, momentum: 0.9))
    var parts: [Double] = []
    let report = try engine.train(on: learned, LocalTraining(epochs: epochs)) { parts.append($0.part) }
    let after = try engine.evaluate(unseen)
    #expect(after.accuracy > accuracy && after.loss < before.loss)
    #expect(report.steps == 47 * epochs && parts.count == report.steps && parts.last == 1 && parts == parts.sorted())
    let outputs = try engine.predict(unseen)
    let answers = (0..<unseen.count).map { sample in
      (0..<10).max { outputs[sample * 10 + $0] < outputs[sample * 10 + $1] }
    }
    let right = zip(answers, unseen.labels).count { Int32($0!) == $1 }
    #expect(Double(right) / Double(unseen.count) == after.accuracy)
  }

  private func trained(_ model: ModelDescription, threads: Int, seed: UInt64, kernels: String? = nil) throws -> [Float]
  {
    let engine = try TrainingEngine(model, threads: threads, seed: seed, kernels: kernels)
    try engine.optimise(.sgd(rate: 0.02, momentum: 0.9))
    _ = try engine.train(on: Self.images.samples(150), LocalTraining(seed: seed))
    return engine.parameters
  }

  @Test(arguments: ModelDescription.shipped.map(\.name)) func aSeedGivesTheSameBits(_ name: String) throws {
    var model = try ModelDescription(json: .string(name))
    model.layers.insert(.dropout(rate: 0.2), at: model.layers.count - 1)
    let first = try trained(model, threads: 1, seed: 3)
    #expect(try trained(model, threads: 1, seed: 3) == first)
    #expect(try trained(model, threads: 2, seed: 3) == first)
    #expect(try trained(model, threads: 5, seed: 3) == first)
    #expect(try trained(model, threads: 1, seed: 4) != first)
  }

  @Test(arguments: ["avx2", "avx512"]) func kernelsAgree(_ kernels: String) throws {
    guard let fast = try? trained(.lenet5, threads: 1, seed: 3, kernels: kernels) else { return }
    let plain = try trained(.lenet5, threads: 1, seed: 3, kernels: "plain")
    #expect(zip(fast, plain).allSatisfy { abs($0 - $1) < 1e-3 })
  }

  /// Its parameters are for somebody to set; all else must be as in new memory.
  @Test(arguments: ["mlp", "lenet-5", "resnet-8"]) func whatAnEngineLeavesIsNothingToTheNext(_ name: String) throws {
    let model = try ModelDescription(json: .string(name)), data = Self.images.samples(96)
    let start = try TrainingEngine(model, seed: 3).parameters
    func trained(_ room: EngineRoom?) throws -> (parameters: [Float], place: UnsafeMutablePointer<Float>) {
      let engine = try TrainingEngine(model, seed: 3, isFilled: false, room: room)
      try engine.setParameters(start)
      try engine.optimise(.adam(rate: 0.01))
      _ = try engine.train(on: data, LocalTraining(seed: 3))
      return (engine.parameters, engine.withParameters { $0.baseAddress! })
    }
    let expected = try trained(nil).parameters, room = EngineRoom(limit: 64 << 20)
    let first = try trained(room), second = try trained(room)
    #expect(first.place == second.place, "it is that memory")
    #expect(first.parameters == expected && second.parameters == expected)
    // What does not fit is given back.
    _ = try TrainingEngine(.mlp, batch: 7, isFilled: false, room: room)
    #expect(try trained(room).parameters == expected)
    let small = EngineRoom(limit: 1_000)
    _ = try trained(small)
    #expect(small.isEmpty && !room.isEmpty)
  }

  @Test func trainingEndsBetweenTwoBatches() throws {
    struct Enough: Error {}
    let engine = try TrainingEngine(.mlp, threads: 2)
    var calls = 0
    #expect(throws: Enough.self) {
      try engine.train(on: Self.images.samples(320), LocalTraining(epochs: 5)) { _ in
        calls += 1
        if calls == 3 { throw Enough() }
      }
    }
    #expect(calls == 3)
    // It is as good as before for whoever comes next.
    _ = try engine.train(on: Self.images.samples(64), LocalTraining())
  }

  /// A batch that fills a block of lanes in part trains as if there were no other lanes.
  @Test(arguments: [1, 15, 16, 17, 31]) func batchesOfAnySizeTrainAlike(_ count: Int) throws {
    let data = Self.images.samples(40), places = Array(0..<UInt32(count))
    let small = try TrainingEngine(.resnet8(), batch: count, seed: 3)
    let large = try TrainingEngine(.resnet8(), batch: 64, seed: 3)
    // What is left in the lanes must not matter.
    try large.gradient(of: data, Array(0..<40))
    let engines = [small, large]
    for engine in engines {
      try engine.setParameters(try TrainingEngine(.resnet8(), seed: 3).parameters)
      try engine.gradient(of: data, places)
    }
    #expect(small.withGradient { Array($0) } == large.withGradient { Array($0) })
    #expect(small.parameters == large.parameters)
  }

  /// Evaluation is by the running statistics and without dropout.
  @Test func evaluationIsAnotherPassThanTraining() throws {
    let model = ModelDescription(
      input: SampleShape(2, 5, 6),
      layers: [
        .convolution(channels: 3, window: 3, stride: 1, padding: 1, bias: true),
        .batchNorm(epsilon: 1e-3, momentum: 0.25), .relu, .dropout(rate: 0.5), .flatten, .dense(units: 4, bias: true),
      ])
    let engine = try TrainingEngine(model, batch: 20, seed: 2)
    var numbers = SeededNumbers(seed: 1)
    let data = try DataSet(
      shape: model.input, samples: (0..<45 * model.input.features).map { _ in numbers.fraction() },
      labels: (0..<45).map { Int32($0 % 4) })
    _ = try engine.train(on: data, LocalTraining(epochs: 2, batch: 20))
    let parameters = engine.parameters.map { Double($0) }
    let reference = ReferenceNetwork(engine, seed: 2, isTraining: false)
    #expect(abs(try engine.evaluate(data).loss - reference.loss(parameters, data)) < 1e-5)
    let outputs = reference.outputs(parameters, data).joined()
    #expect(zip(try engine.predict(data), outputs).allSatisfy { abs(Double($0) - $1) < 1e-4 })
    // Nobody's parameters change by looking.
    #expect(engine.parameters.map { Double($0) } == parameters)
  }

  /// PyTorch's rule: by the momentum towards the batch's mean, and its variance without bias.
  @Test func runningStatisticsFollowTheBatches() throws {
    let model = ModelDescription(
      input: SampleShape(2), layers: [.batchNorm(epsilon: 1e-3, momentum: 0.25), .dense(units: 2, bias: true)])
    let engine = try TrainingEngine(model, seed: 2)
    let data = try DataSet(shape: model.input, samples: [1, 10, 3, 20, 8, 60], labels: [0, 1, 0])
    try engine.gradient(of: data, [0, 1, 2])
    let statistics = Array(engine.parameters[engine.trainedCount...])
    let expected: [Float] = [0.25 * 4, 0.25 * 30, 0.75 + 0.25 * 13, 0.75 + 0.25 * 700]
    #expect(zip(statistics, expected).allSatisfy { abs($0 - $1) < 1e-4 * $1 })
  }

  @Test func whatDoesNotFitIsRefused() throws {
    let engine = try TrainingEngine(.mlp, batch: 8)
    let rows = try DataSet(shape: SampleShape(3), samples: [1, 2, 3], labels: [0])
    let eleven = try DataSet(shape: SampleShape(784), samples: [Float](repeating: 0, count: 784), labels: [10])
    let empty = try DataSet(shape: SampleShape(784), samples: [], labels: [])
    for data in [rows, eleven, empty] {
      #expect(throws: RoleError.self) { try engine.train(on: data, LocalTraining(batch: 8)) }
      #expect(throws: RoleError.self) { try engine.predict(data) }
    }
    let data = Self.images.samples(20)
    #expect(throws: RoleError.self) { try engine.train(on: data, LocalTraining(batch: 9)) }
    #expect(throws: RoleError.self) { try engine.step(on: data, Array(0..<9)) }
    #expect(throws: RoleError.self) { try engine.step(on: data, []) }
    #expect(throws: RoleError.self) { try engine.step(on: data, [20]) }
    #expect(throws: RoleError.self) { try TrainingEngine(.mlp, batch: 0) }
    #expect(throws: RoleError.self) { try TrainingEngine(.mlp, batch: -1) }
    #expect(throws: RoleError.self) { try TrainingEngine(.mlp, threads: 65) }
    #expect(throws: RoleError.self) { try TrainingEngine(.mlp, kernels: "mmx") }
  }
}
