internal import CTraining
internal import NodeValues

/// A network as ONNX names what it computes. Values have two dimensions where a layer takes a row of numbers, and four
/// where it takes pictures; what stands between two such layers is flattened or given back its shape.
struct OnnxGraph {
  /// What a layer puts out for the batch.
  private struct Value {
    var name: String
    var shape: SampleShape
    var isPicture: Bool
  }

  let writer: OnnxWriter
  private let input: SampleShape
  private let output: SampleShape

  init(_ plan: NetworkPlan, _ tensors: [TrainedTensor]) throws(RoleError) {
    var builder = Builder(plan, tensors)
    try builder.build()
    (writer, input, output) = (builder.writer, plan.input, plan.output)
  }

  func file(named name: String) -> [UInt8] {
    writer.file(
      named: name, input: ("input", Self.sizes(input)), output: ("output", Self.sizes(output)))
  }

  private static func isPicture(_ shape: SampleShape) -> Bool { shape.height > 1 || shape.width > 1 }

  private static func sizes(_ shape: SampleShape) -> [Int] {
    isPicture(shape) ? [shape.channels, shape.height, shape.width] : [shape.channels]
  }

  private struct Builder {
    let plan: NetworkPlan
    var writer = OnnxWriter()
    private var left: [String: TrainedTensor]
    private var values: [Value] = []

    init(_ plan: NetworkPlan, _ tensors: [TrainedTensor]) {
      self.plan = plan
      left = Dictionary(tensors.map { ($0.name, $0) }) { first, _ in first }
    }

    mutating func build() throws(RoleError) {
      for number in plan.layers.indices { values.append(try add(number)) }
      if let other = left.keys.sorted().first {
        throw RoleError(.invalidArgument, "the model has no tensor `\(other)`; the file is another model's")
      }
      // The last value's name is a layer's; the graph's output has one of its own.
      let last = values[values.count - 1]
      let isPicture = OnnxGraph.isPicture(last.shape)
      let shaped = isPicture ? last : rows(last)
      writer.node("Identity", [shaped.name], "output")
    }

    private func value(_ source: Int32) -> Value {
      source < 0
        ? Value(name: "input", shape: plan.input, isPicture: OnnxGraph.isPicture(plan.input)) : values[Int(source)]
    }

    /// A tensor of a layer, taken once; `shape` if it is to be written as another one.
    private mutating func tensor(_ layer: String, _ role: String, _ shape: [Int]) throws(RoleError) -> String {
      let name = "\(layer).\(role)"
      guard let tensor = left.removeValue(forKey: name) else {
        throw RoleError(.invalidArgument, "the tensor `\(name)` is missing")
      }
      guard tensor.values.count == shape.reduce(1, *) else {
        throw RoleError(.invalidArgument, "`\(name)` is \(tensor.shape), and the model's is \(shape)")
      }
      writer.initializer(name, shape, tensor.values)
      return name
    }

    private mutating func rows(_ value: Value) -> Value {
      guard value.isPicture else { return value }
      let name = "\(value.name).rows"
      writer.node("Flatten", [value.name], name, [.int("axis", 1)])
      return Value(name: name, shape: value.shape, isPicture: false)
    }

    private mutating func picture(_ value: Value) -> Value {
      guard !value.isPicture else { return value }
      let name = "\(value.name).picture", sizes = "\(name).sizes"
      writer.initializer(sizes, [4], integers: [-1, value.shape.channels, value.shape.height, value.shape.width])
      writer.node("Reshape", [value.name, sizes], name)
      return Value(name: name, shape: value.shape, isPicture: true)
    }

    private mutating func add(_ number: Int) throws(RoleError) -> Value {
      let layer = plan.layers[number], name = plan.names[number], shape = plan.shapes[number]
      let source = value(layer.source)
      switch layer.kind {
      case TRAINING_DENSE: return try dense(layer, rows(source), name, shape)
      case TRAINING_CONVOLUTION: return try convolution(layer, picture(source), name, shape)
      case TRAINING_MAX_POOL, TRAINING_AVERAGE_POOL:
        let type = layer.kind == TRAINING_MAX_POOL ? "MaxPool" : "AveragePool"
        return node(type, picture(source), name, shape, Self.window(layer))
      case TRAINING_GLOBAL_AVERAGE: return rows(node("GlobalAveragePool", picture(source), name, shape))
      case TRAINING_BATCH_NORM: return try batchNorm(layer, source, name)
      case TRAINING_LAYER_NORM: return try layerNorm(layer, source, name)
      case TRAINING_RELU: return node("Relu", source, name, shape)
      case TRAINING_GELU: return gelu(source, name)
      case TRAINING_FLATTEN:
        let flat = rows(source)
        return Value(name: flat.name, shape: shape, isPicture: false)
      case TRAINING_DROPOUT: return source
      case TRAINING_ADD: return add(source, value(layer.second), name)
      default: throw RoleError(.internal, "the layer \(name) has no word in ONNX")
      }
    }

    private mutating func node(
      _ type: String, _ source: Value, _ name: String, _ shape: SampleShape, _ attributes: [OnnxWriter.Attribute] = []
    ) -> Value {
      writer.node(type, [source.name], name, attributes)
      return Value(name: name, shape: shape, isPicture: source.isPicture)
    }

    private static func window(_ layer: training_layer) -> [OnnxWriter.Attribute] {
      [
        .ints("kernel_shape", [Int](repeating: Int(layer.window), count: 2)),
        .ints("strides", [Int](repeating: Int(layer.stride), count: 2)),
      ]
    }

    private mutating func dense(
      _ layer: training_layer, _ source: Value, _ name: String, _ shape: SampleShape
    ) throws(RoleError) -> Value {
      var inputs = [source.name]
      inputs.append(try tensor(name, "weight", [shape.channels, source.shape.features]))
      if layer.bias != 0 { inputs.append(try tensor(name, "bias", [shape.channels])) }
      writer.node("Gemm", inputs, name, [.int("transB", 1)])
      return Value(name: name, shape: shape, isPicture: false)
    }

    private mutating func convolution(
      _ layer: training_layer, _ source: Value, _ name: String, _ shape: SampleShape
    ) throws(RoleError) -> Value {
      let window = Int(layer.window)
      var inputs = [source.name]
      inputs.append(try tensor(name, "weight", [shape.channels, source.shape.channels, window, window]))
      if layer.bias != 0 { inputs.append(try tensor(name, "bias", [shape.channels])) }
      let padding = OnnxWriter.Attribute.ints("pads", [Int](repeating: Int(layer.padding), count: 4))
      writer.node("Conv", inputs, name, Self.window(layer) + [padding])
      return Value(name: name, shape: shape, isPicture: true)
    }

    private mutating func batchNorm(
      _ layer: training_layer, _ source: Value, _ name: String
    ) throws(RoleError) -> Value {
      var inputs = [source.name]
      for role in ["weight", "bias", "running_mean", "running_var"] {
        inputs.append(try tensor(name, role, [source.shape.channels]))
      }
      writer.node("BatchNormalization", inputs, name, [.float("epsilon", layer.epsilon)])
      return Value(name: name, shape: source.shape, isPicture: source.isPicture)
    }

    /// Over all numbers of a sample.
    private mutating func layerNorm(
      _ layer: training_layer, _ source: Value, _ name: String
    ) throws(RoleError) -> Value {
      let shape = source.shape
      let sizes = source.isPicture ? [shape.channels, shape.height, shape.width] : [shape.features]
      let inputs = [source.name, try tensor(name, "weight", sizes), try tensor(name, "bias", sizes)]
      writer.node("LayerNormalization", inputs, name, [.int("axis", 1), .float("epsilon", layer.epsilon)])
      return Value(name: name, shape: shape, isPicture: source.isPicture)
    }

    /// x times the normal distribution's integral up to x, by the error function: the word Gelu is of a later opset.
    private mutating func gelu(_ source: Value, _ name: String) -> Value {
      let scaled = "\(name).scaled", integral = "\(name).integral", shifted = "\(name).shifted", half = "\(name).half"
      let constants = [("sqrt2", Float(2).squareRoot()), ("one", 1), ("two", 2)].map { part, number in
        writer.initializer("\(name).\(part)", [], [number])
        return "\(name).\(part)"
      }
      writer.node("Div", [source.name, constants[0]], scaled)
      writer.node("Erf", [scaled], integral)
      writer.node("Add", [integral, constants[1]], shifted)
      writer.node("Div", [shifted, constants[2]], half)
      writer.node("Mul", [source.name, half], name)
      return Value(name: name, shape: source.shape, isPicture: source.isPicture)
    }

    private mutating func add(_ first: Value, _ second: Value, _ name: String) -> Value {
      let isPicture = first.isPicture && second.isPicture
      let parts = isPicture ? [first, second] : [rows(first), rows(second)]
      writer.node("Add", parts.map(\.name), name)
      return Value(name: name, shape: first.shape, isPicture: isPicture)
    }
  }
}
