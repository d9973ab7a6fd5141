package import CTraining
package import NodeValues

/// A model as the engine takes it: one layer after the other, each with the layers that it reads and its name, which is
/// its place in the list, so that tensors are called as in a PyTorch `Sequential`: "0.weight", "3.body.1.bias".
package struct NetworkPlan: Sendable {
  package private(set) var layers: [training_layer] = []
  package private(set) var names: [String] = []
  package private(set) var shapes: [SampleShape] = []
  package let input: SampleShape

  private let place: String
  private static let featureLimit = Int(TRAINING_FEATURE_LIMIT)

  package init(_ model: ModelDescription, at place: String = "") throws(RoleError) {
    (input, self.place) = (model.input, place)
    let last = try add(model.layers, from: -1, named: "", at: "\(place)/layers")
    guard last >= 0 else { throw wrong("a model has at least one layer", "\(place)/layers") }
    guard layers.contains(where: { [TRAINING_DENSE, TRAINING_CONVOLUTION].contains($0.kind) }) else {
      throw wrong("there is nothing to train; add a dense layer", "\(place)/layers")
    }
  }

  /// What the whole network puts out for a sample.
  package var output: SampleShape { shapes[shapes.count - 1] }

  /// The weights of dense layers and convolutions, which are nearly all of a model's parameters.
  package var weightCount: Int {
    layers.reduce(0) { count, layer in
      // At most 1,024 layers, each of 2^26 times 2^20 times 121: far from the end of an Int.
      count + shape(of: layer.source).channels * Int(layer.outputs) * max(1, Int(layer.window * layer.window))
    }
  }

  private func shape(of layer: Int32) -> SampleShape { layer < 0 ? input : shapes[Int(layer)] }

  /// Returns the last of them, or where they would have read.
  private mutating func add(
    _ list: [LayerDescription], from source: Int32, named prefix: String, at place: String
  ) throws(RoleError) -> Int32 {
    var last = source
    for (index, layer) in list.enumerated() {
      last = try add(layer, from: last, named: "\(prefix)\(index)", at: "\(place)/\(index)")
    }
    return last
  }

  private mutating func add(
    _ layer: LayerDescription, from source: Int32, named name: String, at place: String
  ) throws(RoleError) -> Int32 {
    guard layers.count < Int(TRAINING_LAYER_LIMIT) else {
      throw wrong("more than \(TRAINING_LAYER_LIMIT) layers in all", place)
    }
    if case .residual(let body, let shortcut) = layer {
      let end = try add(body, from: source, named: "\(name).body.", at: "\(place)/residual/body")
      let other = try add(shortcut, from: source, named: "\(name).shortcut.", at: "\(place)/residual/shortcut")
      return try join(end, other, named: name, at: place)
    }
    var raw = training_layer()
    raw.source = source
    raw.second = -1
    let shape = try fill(&raw, layer, shape(of: source), at: place)
    guard shape.features <= Self.featureLimit else {
      throw wrong("it puts out \(shape), more than \(Self.featureLimit) numbers a sample", place)
    }
    return append(raw, name, shape)
  }

  private mutating func append(_ layer: training_layer, _ name: String, _ shape: SampleShape) -> Int32 {
    layers.append(layer)
    names.append(name)
    shapes.append(shape)
    return Int32(layers.count - 1)
  }

  private mutating func join(
    _ body: Int32, _ shortcut: Int32, named name: String, at place: String
  ) throws(RoleError) -> Int32 {
    guard body != shortcut else { throw wrong("a residual without a body", place) }
    let (left, right) = (shape(of: body), shape(of: shortcut))
    guard left == right else {
      throw wrong(
        "the body puts out \(left), and \(right) is added to it; give it a shortcut that ends in the body's shape",
        place)
    }
    var raw = training_layer()
    raw.kind = TRAINING_ADD
    raw.source = body
    raw.second = shortcut
    return append(raw, name, left)
  }

  /// Sets what the engine needs to know, and returns the shape of what comes out.
  private func fill(
    _ raw: inout training_layer, _ layer: LayerDescription, _ shape: SampleShape, at place: String
  ) throws(RoleError) -> SampleShape {
    switch layer {
    case .dense(let units, let bias):
      guard shape.height == 1 && shape.width == 1 else {
        throw wrong("a dense layer after \(shape); put `flatten` before it", place)
      }
      (raw.kind, raw.outputs, raw.bias) = (TRAINING_DENSE, UInt32(units), bias ? 1 : 0)
      return SampleShape(units)
    case .convolution(let channels, let window, let stride, let padding, let bias):
      (raw.kind, raw.outputs, raw.bias) = (TRAINING_CONVOLUTION, UInt32(channels), bias ? 1 : 0)
      return try slide(&raw, shape, channels, window, stride, padding, at: place)
    case .maxPool(let window, let stride):
      raw.kind = TRAINING_MAX_POOL
      return try slide(&raw, shape, shape.channels, window, stride, 0, at: place)
    case .averagePool(let window, let stride):
      raw.kind = TRAINING_AVERAGE_POOL
      return try slide(&raw, shape, shape.channels, window, stride, 0, at: place)
    case .globalAverage:
      raw.kind = TRAINING_GLOBAL_AVERAGE
      return SampleShape(shape.channels)
    case .batchNorm(let epsilon, let momentum):
      (raw.kind, raw.epsilon, raw.momentum) = (TRAINING_BATCH_NORM, epsilon, momentum)
    case .layerNorm(let epsilon): (raw.kind, raw.epsilon) = (TRAINING_LAYER_NORM, epsilon)
    case .dropout(let rate): (raw.kind, raw.rate) = (TRAINING_DROPOUT, rate)
    case .relu: raw.kind = TRAINING_RELU
    case .gelu: raw.kind = TRAINING_GELU
    case .flatten:
      raw.kind = TRAINING_FLATTEN
      return SampleShape(shape.features)
    case .residual: throw RoleError(.internal, "a residual is no layer of its own", at: place)
    }
    return shape
  }

  private func slide(
    _ raw: inout training_layer, _ shape: SampleShape, _ channels: Int, _ window: Int, _ stride: Int, _ padding: Int,
    at place: String
  ) throws(RoleError) -> SampleShape {
    guard padding < window else { throw wrong("a padding of \(padding) for a window of \(window); take less", place) }
    let height = shape.height + 2 * padding, width = shape.width + 2 * padding
    guard window <= height && window <= width else {
      throw wrong("a window of \(window) does not fit on \(shape); take a smaller window or more padding", place)
    }
    (raw.window, raw.stride, raw.padding) = (UInt32(window), UInt32(stride), UInt32(padding))
    return SampleShape(channels, (height - window) / stride + 1, (width - window) / stride + 1)
  }
}
