/// The models that a manifest can name instead of describing one.
extension ModelDescription {
  package static let shipped: [(name: String, model: ModelDescription)] = [
    ("mlp", mlp), ("lenet-5", lenet5), ("resnet-8", resnet8()),
  ]

  /// 784-128-10, for images of 28 x 28.
  package static let mlp = ModelDescription(
    input: SampleShape(1, 28, 28),
    layers: [.flatten, .dense(units: 128, bias: true), .relu, .dense(units: 10, bias: true)])

  /// After LeCun and others, "Gradient-based learning applied to document recognition" (1998), with ReLU and maximum
  /// pools, as it is trained today.
  package static let lenet5 = ModelDescription(
    input: SampleShape(1, 28, 28),
    layers: [
      .convolution(channels: 6, window: 5, stride: 1, padding: 2, bias: true), .relu, .maxPool(window: 2, stride: 2),
      .convolution(channels: 16, window: 5, stride: 1, padding: 0, bias: true), .relu, .maxPool(window: 2, stride: 2),
      .flatten, .dense(units: 120, bias: true), .relu, .dense(units: 84, bias: true), .relu,
      .dense(units: 10, bias: true),
    ])

  /// After He and others, "Deep residual learning for image recognition" (2016), section 4.2, with one block for each
  /// of the three sizes: 8 layers with weights on the longest way.
  package static func resnet8(input: SampleShape = SampleShape(1, 28, 28), classes: Int = 10) -> ModelDescription {
    ModelDescription(
      input: input,
      layers: normed(channels: 16, stride: 1) + [.relu] + block(from: 16, to: 16) + block(from: 16, to: 32)
        + block(from: 32, to: 64) + [.globalAverage, .flatten, .dense(units: classes, bias: true)])
  }

  private static func normed(channels: Int, window: Int = 3, stride: Int) -> [LayerDescription] {
    [
      .convolution(channels: channels, window: window, stride: stride, padding: window / 2, bias: false),
      .batchNorm(epsilon: 1e-5, momentum: 0.1),
    ]
  }

  private static func block(from: Int, to: Int) -> [LayerDescription] {
    let stride = from == to ? 1 : 2
    return [
      .residual(
        body: normed(channels: to, stride: stride) + [.relu] + normed(channels: to, stride: 1),
        shortcut: from == to ? [] : normed(channels: to, window: 1, stride: stride)), .relu,
    ]
  }
}
