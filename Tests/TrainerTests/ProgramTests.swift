import NodeKit
import NodeTesting
import Tensors
import Testing
import TrainerWire
import Training

@testable import TrainerCore

/// Programs in Python that train, good ones and bad ones.
@Suite struct ProgramTests {
  private static let sdk = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/SDK/python"
  private static let model: JSON = ["input": [784], "layers": [["dense": 10]]]

  private func play(_ program: [String], data: JSON? = nil, longest: Double = 60) throws -> Play {
    try Play(
      ["engine": "process", "program": .array(program.map { .string($0) }), "longest_seconds": .double(longest)],
      data: data ?? ["digits": ["format": "program", "samples": 100, "settings": ["a": 1]] as JSON])
  }

  /// A program of these lines, which find the package.
  private func script(_ lines: String) -> [String] {
    [
      "/usr/bin/python3", "-c",
      "import sys\nsys.path.insert(0, '\(Self.sdk)')\nfrom nodehost_trainer import *\n\(lines)",
    ]
  }

  private func failure(_ program: [String]) throws -> RpcEnding? {
    let play = try play(program), file = try Play.file(Self.model)
    let ending = play.failure(Play.task(file: file, model: Self.model), file)
    let status: JSON = try play.host.call("status")
    #expect(play.host.misuse.isEmpty && status["open"] == 0 && status["now"] == .null)
    return ending
  }

  @Test func aProgramTrains() throws {
    let play = try play(
      script(
        """
        def train(weights, settings, progress):
            assert settings.data["settings"] == {"a": 1} and settings["epochs"] == 3 and settings.seed == 6
            print("for people")
            progress(1, 2, 0.5)
            return {name: array + 1 for name, array in weights.items()}, 77, 0.25, 0.5
        run(train, lambda weights, settings: (5, 0.5))
        """))
    let file = try Play.file(Self.model), base = try Play.weights(Self.model)
    let answer = try play.train(Play.task(["epochs": 3], form: "f32+delta", file: file, model: Self.model), file)
    #expect(answer.quality == ModelQuality(samples: 77, loss: 0.25, accuracy: 0.5))
    let new = try UpdateDecoder(base.layout).decode(answer.file, UpdateForm("f32+delta"), base: base)
    #expect(zip(new.buffer.array, base.buffer.array).allSatisfy { abs($0 - $1 - 1) < 1e-5 })
    let tried = play.open(Play.task(file: file, model: Self.model), file, by: TrainerMethod.validate)
    play.host.clock.advance(by: .seconds(1))
    #expect(try ModelQuality(#require(tried.messages.first)) == ModelQuality(samples: 5, loss: 0.5))
    #expect(play.host.misuse.isEmpty)
  }

  /// A file of synthetic images.
  private func withData<R>(_ body: (String) throws -> R) throws -> R {
    let path = "/tmp/nodehost-trainer-\(UInt64.random(in: 0...UInt64.max)).npz"
    var writer = NpzWriter()
    let images = SyntheticImages().samples(300, noise: 0.2)
    try writer.add("x", NumberArray(shape: [300, 28, 28], numbers: images.samples, areBytes: false))
    try writer.add("y", images.labels)
    try TestFile.write(path, writer.bytes)
    defer { TestFile.remove(path) }
    return try body(path)
  }

  @Test func theExampleLearns() throws {
    try withData { path in
      let play = try play(
        ["/usr/bin/python3", "\(Self.sdk)/examples/numpy_softmax.py"],
        data: ["digits": ["format": "npz", "path": .string(path)] as JSON])
      let file = try Play.file(Self.model)
      let task = Play.task(["epochs": 3, "batch_size": 16, "learning_rate": 0.05], file: file, model: Self.model)
      let answer = try play.train(task, file)
      #expect(answer.quality.samples == 270 && answer.quality.accuracy! > 0.8, "\(answer.quality)")
      #expect(try play.train(task, file).file == answer.file, "asked twice it is the same work")
    }
  }

  /// With NODEHOST_TORCH in the environment: a Python that has torch.
  @Test(.enabled(if: TestFile.variable("NODEHOST_TORCH") != nil))
  func pyTorchTrainsTheSameModelAsTheEngine() throws {
    let model: JSON = [
      "input": [1, 28, 28],
      "layers": [
        ["convolution": ["channels": 8, "window": 3, "padding": 1]], "relu", ["max-pool": 2], "flatten", ["dense": 10],
      ],
    ]
    let python = try #require(TestFile.variable("NODEHOST_TORCH"))
    try withData { path in
      let data: JSON = ["digits": ["format": "npz", "path": .string(path)]]
      // One step with all samples: no order in which they come makes a difference.
      let step: JSON = ["epochs": 1, "batch_size": 270, "learning_rate": 0.1], file = try Play.file(model)
      let task = Play.task(step, file: file, model: model)
      let torch = try play([python, "\(Self.sdk)/examples/pytorch_digits.py"], data: data)
      let one = try torch.train(task, file), two = try Play(data: data).train(task, file)
      let base = try Play.weights(model), decoder = UpdateDecoder(base.layout)
      func moved(_ file: [UInt8]) throws -> [Float] {
        zip(try decoder.decode(file, .plain, base: nil).buffer.array, base.buffer.array).map { $0 - $1 }
      }
      // Each holds out other samples, so the gradients are alike and not the same.
      let (a, b) = (try moved(one.file), try moved(two.file))
      func product(_ x: [Float], _ y: [Float]) -> Float { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }
      let likeness = product(a, b) / (product(a, a) * product(b, b)).squareRoot()
      #expect(likeness > 0.98, "\(likeness)")
      let more = Play.task(["epochs": 5, "batch_size": 16, "learning_rate": 0.05], file: file, model: model)
      let trained = try torch.train(more, file)
      #expect(trained.quality.samples == 270 && trained.quality.accuracy! > 0.9, "\(trained.quality)")
    }
  }

  @Test(arguments: [
    ("raise ValueError('no luck')", "failed with 1", "no luck"),
    ("import os; os.kill(os.getpid(), 11)", "was ended by signal 11", ""),
    ("pass", "ended without an answer", ""),
    ("import os; os.write(5, b'nonsense\\n')", "says what is no JSON object", ""),
    ("import os; os.write(5, b'x' * 70000)", "in a line", ""),
    ("import os; os.write(5, b'{\"samples\": 0, \"bytes\": 1}\\n')", "makes no sense", ""),
    ("import os; os.write(5, b'{\"samples\": 1, \"bytes\": 1e18}\\n')", "makes no sense", ""),
    ("import os; os.write(5, b'{\"samples\": 1, \"bytes\": 100}\\n')", "the program's weights", ""),
    ("run(lambda w, s, p: (w, 3, float('nan')))", "", ""),
    ("run(lambda w, s, p: ({n: a * float('inf') for n, a in w.items()}, 3, 1))", "", "a weight has become"),
    ("run(lambda w, s, p: ({n: a[:1] for n, a in w.items()}, 3, 1))", "failed with 1", "has become (1, 784)"),
    ("run(lambda w, s, p: ({}, 3, 1))", "failed with 1", "KeyError"),
    ("run(lambda w, s, p: p(1, 2, float('inf')))", "failed with 1", "smaller learning rate"),
    ("import os; os.ftruncate(4, 1 << 40)", "failed with 1", "PermissionError"),
    ("import os; os.write(3, b'x')", "failed with 1", "PermissionError"),
  ])
  func whateverAProgramDoesIsAFailureOfItsTask(_ lines: String, _ how: String, _ words: String) throws {
    let ending = try failure(script(lines))
    let isRight = ending?.message.contains(how) == true && ending?.message.contains(words) == true
    #expect(ending?.status == .failedPrecondition && isRight, "\(ending as Any)")
  }

  @Test func aProgramThatIsNotThere() throws {
    let ending = try failure(["/nowhere/at/all"])
    #expect(ending?.message.contains("does not start (errno 2)") == true, "\(ending as Any)")
    #expect(throws: RoleError.self) { try play([]) }
    #expect(throws: RoleError.self) { try Play(["program": ["x"]]) }
  }

  @Test func dataOfAProgramIsNotForTheEngine() throws {
    let play = try Play(data: ["digits": ["format": "program", "samples": 3]]), file = try Play.file()
    let ending = play.failure(Play.task(file: file), file)
    #expect(ending?.message.contains("set `engine: process`") == true, "\(ending as Any)")
  }
}
