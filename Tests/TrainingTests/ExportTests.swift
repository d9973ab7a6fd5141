import Glibc
import NodeKit
import ProtoFields
import Testing

@testable import Training

/// Models as files of others. With NODEHOST_ONNX_PYTHON, a Python that has onnx and onnxruntime, these compute with
/// them, too.
@Suite struct ExportTests {
  /// Every layer, and what has to be reshaped on the way.
  private static let every: JSON = [
    "input": [2, 9, 9],
    "layers": [
      ["convolution": ["channels": 6, "window": 3, "padding": 1, "stride": 2, "bias": false]], "batch-norm", "gelu",
      [
        "residual": [
          "body": [["convolution": ["channels": 8, "window": 3, "padding": 1]], "layer-norm", "relu"],
          "shortcut": [["convolution": ["channels": 8, "window": 1]]],
        ]
      ],
      ["max-pool": 2], ["dropout": 0.3], ["average-pool": ["window": 2, "stride": 1]],
      ["residual": ["body": [["convolution": ["channels": 8, "window": 1]]]]], "flatten", ["dense": 12], "layer-norm",
      "batch-norm", ["residual": ["body": [["dense": ["units": 12, "bias": false]], "gelu"]]], "relu", ["dense": 5],
    ],
  ]
  private static let pooled: JSON = [
    "input": [3, 6, 6],
    "layers": [
      ["convolution": ["channels": 4, "window": 3]], "global-average", ["convolution": ["channels": 4, "window": 1]],
      ["dense": 3],
    ],
  ]
  private static let flat: JSON = ["input": [7], "layers": [["dense": 4], "relu", ["dense": 2]]]
  private static let picture: JSON = [
    "input": [1, 5, 5], "layers": [["convolution": ["channels": 2, "window": 2]]], "loss": "squared-error",
  ]
  private static let models: [(String, JSON)] = [
    ("every", every), ("pooled", pooled), ("flat", flat), ("mlp", "mlp"), ("lenet-5", "lenet-5"),
    ("resnet-8", "resnet-8"),
  ]

  private static func engine(_ json: JSON) throws -> TrainingEngine {
    let engine = try TrainingEngine(ModelDescription(json: json), batch: 8, seed: 3)
    var numbers = SeededNumbers(seed: 5)
    // As trained: norms are not what they are at first.
    engine.withParameters { parameters in
      for tensor in engine.tensors where !tensor.isWeight {
        for place in tensor.range { parameters[place] = 0.5 + numbers.fraction() }
      }
    }
    return engine
  }

  private static func tensors(_ engine: TrainingEngine) -> [TrainedTensor] {
    let values = engine.parameters
    return engine.tensors.map { TrainedTensor(name: $0.name, shape: $0.shape, values: Array(values[$0.range])) }
  }

  @Test func whatIsWrittenIsRead() throws {
    let tensors = Self.tensors(try Self.engine(Self.every))
    let reader = try NpzReader(ModelExport.npz(tensors)[...])
    #expect(reader.names == tensors.map(\.name))
    for tensor in tensors {
      let array = try reader.array(tensor.name)
      #expect(array.shape == tensor.shape && array.numbers == tensor.values)
    }
    #expect(try NpzReader(ModelExport.npz([])[...]).names.isEmpty)
  }

  /// All that a node reads was there before it, and everything has one name.
  @Test(arguments: models) func graphsAreWhole(_ name: String, _ json: JSON) throws {
    let engine = try Self.engine(json)
    let bytes = try ModelExport.onnx(engine.model, Self.tensors(engine))
    var known: Set<String> = ["input"], nodes: [(inputs: [String], output: String, type: String)] = []
    var file = ProtoReader(bytes), numbers = 0
    while try file.next() {
      guard file.field == 7 else { continue }
      var graph = try file.message()
      while try graph.next() {
        switch graph.field {
        case 1: nodes.append(try Self.node(graph.message()))
        case 5:
          let (name, size) = try Self.initializer(graph.message())
          #expect(known.insert(name).inserted)
          numbers += size
        default: break
        }
      }
    }
    for node in nodes {
      #expect(node.inputs.allSatisfy(known.contains), "\(node)")
      #expect(known.insert(node.output).inserted)
    }
    #expect(nodes.last?.output == "output" && !nodes.contains { $0.type == "Dropout" })
    #expect(numbers >= engine.parameterCount && numbers < engine.parameterCount + 20)
  }

  private static func node(_ message: ProtoReader) throws -> (inputs: [String], output: String, type: String) {
    var message = message, inputs: [String] = [], output = "", type = ""
    while try message.next() {
      switch message.field {
      case 1: inputs.append(try message.string())
      case 2: output = try message.string()
      case 4: type = try message.string()
      default: break
      }
    }
    return (inputs, output, type)
  }

  private static func initializer(_ message: ProtoReader) throws -> (String, Int) {
    var message = message, name = "", shape: [Int] = [], size = 0, type = 0
    while try message.next() {
      switch message.field {
      case 1: try message.ints(into: &shape)
      case 2: type = Int(try message.int64())
      case 8: name = try message.string()
      case 9: size = try message.slice().count / (type == 7 ? 8 : 4)
      default: break
      }
    }
    #expect(shape.reduce(1, *) == size)
    return (name, size)
  }

  @Test func tensorsOfAnotherModelAreRefused() throws {
    let engine = try Self.engine(Self.flat), tensors = Self.tensors(engine)
    func expect(_ words: String, _ tensors: [TrainedTensor]) {
      do {
        _ = try ModelExport.onnx(engine.model, tensors)
        Issue.record("it was written: \(words)")
      } catch { #expect(error.message.contains(words), "\(error)") }
    }
    expect("`2.bias` is missing", Array(tensors.dropLast()))
    expect("no tensor `9.weight`", tensors + [TrainedTensor(name: "9.weight", shape: [1], values: [0])])
    expect("two tensors", tensors + [tensors[0]])
    expect("which [3] has not", tensors + [TrainedTensor(name: "x", shape: [3], values: [0])])
    var other = tensors
    other[0] = TrainedTensor(name: "0.weight", shape: [4, 6], values: [Float](repeating: 0, count: 24))
    expect("and the model's is [4, 7]", other)
  }

  // MARK: Other programs

  private static func write(_ bytes: [UInt8], _ path: String) throws {
    let file = try #require(fopen(path, "w"))
    fwrite(bytes, 1, bytes.count, file)
    fclose(file)
  }

  private static func output(_ command: String) -> String {
    guard let pipe = popen(command, "r") else { return "" }
    var bytes: [UInt8] = []
    while case let next = fgetc(pipe), next != EOF { bytes.append(UInt8(truncatingIfNeeded: next)) }
    pclose(pipe)
    return String(decoding: bytes, as: UTF8.self)
  }

  private static let script =
    "/" + #filePath.split(separator: "/").dropLast(2).joined(separator: "/") + "/Interop/models.py"

  private static func inFolder(_ body: (String) throws -> Void) throws {
    let folder = "/tmp/nodehost-models-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    mkdir(folder, 0o700)
    defer { _ = output("rm -r \(folder)") }
    try body(folder)
  }

  @Test func numPyReadsThem() throws {
    try Self.inFolder { folder in
      let tensors = [
        TrainedTensor(name: "0.weight", shape: [2, 3], values: [1, 2, 3, 4, 5, -6]),
        TrainedTensor(name: "0.bias", shape: [2], values: [0.5, .infinity]),
        TrainedTensor(name: "scale", shape: [], values: [7]),
        TrainedTensor(name: "none", shape: [0, 4], values: []),
      ]
      try Self.write(ModelExport.npz(tensors), "\(folder)/some.npz")
      try Self.write(tensors.flatMap(\.values).withUnsafeBytes { Array($0) }, "\(folder)/some.bin")
      let answer = Self.output("/usr/bin/python3 \(Self.script) \(folder) 2>&1")
      #expect(answer == "some: 0.weight[2, 3] 0.bias[2] scale[] none[0, 4]\n")
    }
  }

  private static let onnxPython = getenv("NODEHOST_ONNX_PYTHON").map { String(cString: $0) }

  @Test(.enabled(if: onnxPython != nil)) func onnxRuntimeComputesTheSame() throws {
    try Self.inFolder { folder in
      let python = try #require(Self.onnxPython)
      for (name, json) in Self.models + [("picture", Self.picture)] {
        let engine = try Self.engine(json), input = engine.model.input
        try Self.write(ModelExport.onnx(engine.model, Self.tensors(engine)), "\(folder)/\(name).onnx")
        var numbers = SeededNumbers(seed: 11)
        let samples = (0..<4 * input.features).map { _ in numbers.fraction() * 2 - 1 }
        let data = try DataSet(shape: input, samples: samples, labels: [0, 0, 0, 0])
        let outputs = try engine.predict(data)
        let shape = input.height > 1 ? [4, input.channels, input.height, input.width] : [4, input.channels]
        let played = [
          TrainedTensor(name: "input", shape: shape, values: samples),
          TrainedTensor(name: "output", shape: [4, outputs.count / 4], values: outputs),
        ]
        try Self.write(ModelExport.npz(played), "\(folder)/\(name).io.npz")
      }
      let answer = Self.output("\(python) \(Self.script) \(folder) onnx 2>&1")
      let names = (Self.models.map(\.0) + ["picture"]).sorted()
      #expect(answer == names.map { "\($0) agrees\n" }.joined())
    }
  }
}
