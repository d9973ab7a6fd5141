import NodeKit
import Testing

@testable import Training

@Suite struct ModelTests {
  @Test(arguments: [("mlp", 101_770, 0), ("lenet-5", 61_706, 0), ("resnet-8", 77_754, 672)])
  func shippedModelsAreAsLargeAsTheyShould(_ name: String, _ trained: Int, _ statistics: Int) throws {
    let engine = try TrainingEngine(ModelDescription(json: .string(name)))
    #expect(engine.trainedCount == trained)
    #expect(engine.parameterCount == trained + statistics)
    #expect(engine.tensors.map(\.count).reduce(0, +) == engine.parameterCount)
  }

  @Test func aDescribedModelIsTheShippedOne() throws {
    let described: JSON = [
      "input": [1, 28, 28],
      "layers": [
        ["convolution": ["channels": 6, "window": 5, "padding": 2]], "relu", ["max-pool": 2],
        ["convolution": ["channels": 16, "window": 5]], "relu", ["max-pool": ["window": 2, "stride": 2]], "flatten",
        ["dense": 120], "relu", ["dense": ["units": 84, "bias": true]], "relu", ["dense": 10],
      ],
    ]
    #expect(try ModelDescription(json: described) == .lenet5)
  }

  @Test func tensorsAreCalledAsPyTorchCallsThem() throws {
    let model = try ModelDescription(json: [
      "input": [2, 4, 4],
      "layers": [
        ["convolution": ["channels": 2, "window": 3, "padding": 1]],
        [
          "residual": [
            "body": ["batch-norm"], "shortcut": [["convolution": ["channels": 2, "window": 1, "bias": false]]],
          ]
        ],
        "flatten", ["dense": 3],
      ],
    ])
    let tensors = try TrainingEngine(model).tensors
    #expect(
      tensors.map(\.name) == [
        "0.weight", "0.bias", "1.body.0.weight", "1.body.0.bias", "1.shortcut.0.weight", "3.weight", "3.bias",
        "1.body.0.running_mean", "1.body.0.running_var",
      ])
    #expect(tensors.map(\.shape) == [[2, 2, 3, 3], [2], [2], [2], [2, 2, 1, 1], [3, 32], [3], [2], [2]])
    #expect(tensors.map(\.isTrained) == Array(repeating: true, count: 7) + [false, false])
  }

  /// Every kind of mistake says where it is and what to do.
  @Test(
    arguments: [
      (json: "lenet" as JSON, place: "", words: "shipped are mlp, lenet-5, resnet-8"),
      (3, "", "expected a model's name, or an object"),
      (["layers": []], "", "input is missing; write `input: [1, 28, 28]`"),
      (["input": [4]], "", "layers is missing"),
      (["input": [4], "layers": []], "/layers", "at least one layer"),
      (["input": [4], "layers": ["relu"]], "/layers", "add a dense layer"),
      (["input": [4, 4], "layers": [["dense": 1]]], "/input", "[channels, rows, columns]"),
      (["input": "x", "layers": [["dense": 1]]], "/input", "not text"),
      (["input": [0], "layers": [["dense": 1]]], "/input/0", "from 1 to"),
      (["input": [65536, 65536, 65536], "layers": [["dense": 1]]], "/input", "take smaller samples"),
      (["input": [4], "layers": "dense"], "/layers", "a list of layers"),
      (["input": [4], "layers": [7]], "/layers/0", "such as relu or { dense: 10 }"),
      (["input": [4], "layers": [["dense": 1, "relu": nil]]], "/layers/0", "such as relu"),
      (["input": [4], "layers": ["relu", "sigmoid"]], "/layers/1", "there are dense, convolution"),
      (["input": [4], "layers": ["dense"]], "/layers/0", "units is missing; write `units: 1`"),
      (["input": [4], "layers": [["dense": 0]]], "/layers/0/dense/units", "from 1 to 1048576, not 0"),
      (["input": [4], "layers": [["dense": 1.5]]], "/layers/0/dense/units", "not 1.5"),
      (
        ["input": [4], "layers": [["dense": ["units": 2, "unit": 3]]]], "/layers/0/dense/unit", "known are units, bias"
      ),
      (["input": [4], "layers": [["dense": ["units": 2, "bias": 1]]]], "/layers/0/dense/bias", "true or false"),
      (["input": [4], "layers": [["relu": ["slope": 1]]]], "/layers/0/relu/slope", "it has none"),
      (["input": [4], "layers": [["dropout": 1]]], "/layers/0/dropout/rate", "from 0.0 to 0.99"),
      (["input": [4], "layers": ["dropout", ["dense": 1]]], "/layers/0", "rate is missing"),
      (["input": [1, 4, 4], "layers": [["dense": 1]]], "/layers/0", "put `flatten` before it"),
      (
        ["input": [1, 4, 4], "layers": [["max-pool": 5], "flatten", ["dense": 1]]], "/layers/0",
        "does not fit on 1 x 4 x 4"
      ),
      (["input": [1, 4, 4], "layers": [["max-pool": 12]]], "/layers/0/max-pool/window", "from 1 to 11"),
      (
        ["input": [1, 4, 4], "layers": [["convolution": ["channels": 1, "window": 2, "padding": 2]]]], "/layers/0",
        "take less"
      ),
      (
        ["input": [1, 4, 4], "layers": [["convolution": ["channels": 1, "window": 2, "stride": 0]]]],
        "/layers/0/convolution/stride", "from 1 to 11"
      ),
      (
        ["input": [4], "layers": [["residual": ["body": [["dense": 3]]]], ["dense": 1]]], "/layers/0",
        "the body puts out 3, and 4 is added to it"
      ),
      (["input": [4], "layers": [["residual": ["body": []]], ["dense": 1]]], "/layers/0", "without a body"),
      (
        ["input": [4], "layers": [["residual": ["body": ["flat"]]], ["dense": 1]]], "/layers/0/residual/body/0",
        "there is no layer `flat`"
      ),
      (["input": [4], "layers": [["dense": 1]], "loss": "hinge"], "/loss", "one of cross-entropy, squared-error"),
      (["input": [4], "layers": [["dense": 1]], "initialisation": 1], "/initialisation", "one of he, xavier"),
      (["input": [4], "layers": [["dense": 1]], "optimizer": "sgd"], "/optimizer", "known are input, layers, loss"),
    ] as [(json: JSON, place: String, words: String)])
  func aMistakeIsShown(_ mistake: (json: JSON, place: String, words: String)) {
    do {
      let model = try ModelDescription(json: mistake.json)
      Issue.record("accepted: \(model)")
    } catch {
      #expect(error.place == mistake.place)
      #expect(error.message.contains(mistake.words), "\(error.message)")
    }
  }

  @Test func residualsHaveALimitedDepth() throws {
    var layer: JSON = "relu"
    for _ in 0..<2_000 { layer = ["residual": ["body": [layer]]] }
    let error = #expect(throws: RoleError.self) { try ModelDescription(json: ["input": [4], "layers": [layer]]) }
    #expect(error?.message.contains("8 deep") == true)
  }

  /// The same bits on each machine: a number that was once computed by hand from the generator.
  @Test func initialParametersAreAFunctionOfTheSeed() throws {
    let engine = try TrainingEngine(.mlp, seed: 9), again = try TrainingEngine(.mlp, seed: 9)
    let other = try TrainingEngine(.mlp, seed: 10)
    #expect(engine.parameters == again.parameters)
    #expect(engine.parameters != other.parameters)
    let weights = engine.parameters[engine.tensors[0].range], bound = (6 / Float(784)).squareRoot()
    #expect(weights.allSatisfy { abs($0) <= bound })
    let variance = weights.reduce(0) { $0 + Double($1 * $1) } / Double(weights.count)
    #expect(abs(variance * 784 / 2 - 1) < 0.02)
    #expect(engine.parameters[engine.tensors[1].range].allSatisfy { $0 == 0 })
    let narrow = try TrainingEngine(
      ModelDescription(input: SampleShape(784), layers: [.dense(units: 16, bias: true)], initialisation: .xavier))
    let narrowBound = (6 / Float(800)).squareRoot(), most = narrow.parameters.max()!
    #expect(most <= narrowBound && most > 0.99 * narrowBound)
  }
}
