import NodeKit
import Testing

@testable import Training

/// Every layer's gradient beside double differences of the loss: for each parameter, and through a layer in front also
/// for what goes into the layer.
@Suite struct GradientTests {
  /// What is tried behind a first layer, on small images or rows, so that its input has a gradient too.
  static let models: [(String, ModelDescription)] = [
    ("dense", row([.dense(units: 7, bias: true), .dense(units: 5, bias: true)])),
    ("dense with ReLU", row([.dense(units: 19, bias: true), .relu, .dense(units: 5, bias: false)])),
    ("GELU", row([.dense(units: 9, bias: true), .gelu, .dense(units: 5, bias: true)])),
    (
      "layer norm of rows",
      row([.dense(units: 9, bias: true), .layerNorm(epsilon: 1e-3), .dense(units: 5, bias: true)])
    ),
    ("ReLU that nothing takes in", row([.dense(units: 9, bias: true), .gelu, .relu, .dense(units: 5, bias: true)])),
    ("squared error", row([.dense(units: 9, bias: true), .relu, .dense(units: 5, bias: true)], loss: .squaredError)),
    ("convolutions", image([convolution(4, 3, padding: 1), .relu, convolution(3, 3)])),
    ("convolutions with strides", image([convolution(4, 3, stride: 2, padding: 1), convolution(9, 2, stride: 2)])),
    ("a stride beyond the window", image([convolution(3, 3), convolution(4, 1, stride: 2), .relu])),
    ("a large window", image([convolution(13, 5, padding: 2), .relu, convolution(2, 5, padding: 4)])),
    ("windows of 4 and 7", image([convolution(5, 4, padding: 3), convolution(3, 7, stride: 3, padding: 2)])),
    ("maximum pool", image([convolution(4, 3), .relu, .maxPool(window: 2, stride: 2)])),
    ("maximum pool that overlaps", image([convolution(4, 2), .maxPool(window: 3, stride: 2)])),
    ("average pool", image([convolution(4, 3), .averagePool(window: 2, stride: 1)])),
    ("global average", image([convolution(4, 3), .gelu, .globalAverage])),
    ("batch norm", image([convolution(4, 3), .batchNorm(epsilon: 1e-3, momentum: 0.1), .gelu])),
    ("batch norm with ReLU", image([convolution(4, 3), .batchNorm(epsilon: 1e-3, momentum: 0.1), .relu])),
    ("layer norm of images", image([convolution(3, 3), .layerNorm(epsilon: 1e-3), .gelu])),
    ("dropout", image([convolution(4, 3), .dropout(rate: 0.4)])),
    (
      "residual",
      image([convolution(4, 3), .residual(body: [.gelu, convolution(4, 3, padding: 1)], shortcut: []), .relu])
    ),
    (
      "residual with a shortcut",
      image([
        convolution(4, 3, padding: 1),
        .residual(
          body: [
            convolution(6, 3, stride: 2, padding: 1), .batchNorm(epsilon: 1e-3, momentum: 0.1), .relu,
            convolution(6, 3, padding: 1),
          ], shortcut: [convolution(6, 1, stride: 2), .batchNorm(epsilon: 1e-3, momentum: 0.1)]), .relu,
      ])
    ),
    (
      "residuals in residuals",
      image([
        convolution(2, 3),
        .residual(
          body: [.residual(body: [convolution(2, 3, padding: 1)], shortcut: [.gelu]), .layerNorm(epsilon: 1e-3)],
          shortcut: []),
      ])
    ),
  ]

  /// 18 samples are a whole block of lanes and a part of one.
  private static let samples = 18

  @Test(arguments: models.indices) func gradientIsThatOfTheLoss(_ index: Int) throws {
    let (name, model) = Self.models[index]
    // Not every processor has all kernels; all have the plain ones.
    let engines = ["plain", "avx2", "avx512"].compactMap {
      try? TrainingEngine(model, batch: Self.samples, seed: Self.seed, kernels: $0)
    }
    #expect(engines.first?.kernels == "plain", "\(name)")
    let data = try Self.data(model.input)
    let reference = ReferenceNetwork(engines[0], seed: Self.seed)
    // Scales and biases, too, shall be something else than ones and zeros.
    let parameters = engines[0].parameters.enumerated().map { $1 + Float(($0 * 7) % 11) * 0.02 - 0.1 }
    let exact = parameters.map { Double($0) }
    let loss = reference.loss(exact, data)
    for engine in engines {
      try engine.setParameters(parameters)
      let score = try engine.gradient(of: data, Array(0..<UInt32(data.count)))
      #expect(abs(score.loss - loss) < 1e-5, "\(name), \(engine.kernels)")
    }
    for tensor in engines[0].tensors where tensor.isTrained {
      // Some of a tensor's parameters, spread over it.
      for place in stride(from: tensor.offset, to: tensor.range.upperBound, by: max(1, tensor.count / 4)) {
        let slope = reference.slope(of: exact, at: place, data)
        for engine in engines {
          let ours = engine.withGradient { Double($0[place]) }
          #expect(
            abs(ours - slope) < 1e-5 + 1e-3 * abs(slope),
            "\(name), \(engine.kernels): \(tensor.name)[\(place - tensor.offset)]")
        }
      }
    }
  }

  private static let seed: UInt64 = 5

  private static func data(_ shape: SampleShape) throws -> DataSet {
    var numbers = SeededNumbers(seed: 3)
    let samples = (0..<Self.samples * shape.features).map { _ in 2 * numbers.fraction() - 1 }
    return try DataSet(shape: shape, samples: samples, labels: (0..<Self.samples).map { Int32($0 % 5) })
  }

  private static func row(
    _ layers: [LayerDescription], loss: ModelDescription.Loss = .crossEntropy
  ) -> ModelDescription {
    ModelDescription(input: SampleShape(11), layers: layers, loss: loss)
  }

  /// Images of 8 x 7 with two channels, and five classes at the end.
  private static func image(_ layers: [LayerDescription]) -> ModelDescription {
    ModelDescription(input: SampleShape(2, 8, 7), layers: layers + [.flatten, .dense(units: 5, bias: true)])
  }

  private static func convolution(
    _ channels: Int, _ window: Int, stride: Int = 1, padding: Int = 0
  ) -> LayerDescription {
    .convolution(channels: channels, window: window, stride: stride, padding: padding, bias: channels % 2 == 0)
  }
}
