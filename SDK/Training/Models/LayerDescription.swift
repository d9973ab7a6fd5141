/// A layer as a model file names it.
package indirect enum LayerDescription: Sendable, Equatable {
  case dense(units: Int, bias: Bool)
  case convolution(channels: Int, window: Int, stride: Int, padding: Int, bias: Bool)
  case maxPool(window: Int, stride: Int)
  case averagePool(window: Int, stride: Int)
  case globalAverage
  case batchNorm(epsilon: Float, momentum: Float)
  case layerNorm(epsilon: Float)
  case dropout(rate: Float)
  case relu
  case gelu
  case flatten
  /// What goes in is added to what comes out; by way of the shortcut if the body changes its shape.
  case residual(body: [LayerDescription], shortcut: [LayerDescription])
}

/// Channels, rows and columns of a sample, or of what a layer puts out for one.
package struct SampleShape: Sendable, Equatable, CustomStringConvertible {
  package var channels: Int
  package var height: Int
  package var width: Int

  package init(_ channels: Int, _ height: Int = 1, _ width: Int = 1) {
    (self.channels, self.height, self.width) = (channels, height, width)
  }

  package var features: Int { channels * height * width }
  package var description: String { height == 1 && width == 1 ? "\(channels)" : "\(channels) x \(height) x \(width)" }
}

/// What a model is: what goes in, its layers, and what it is trained to do.
package struct ModelDescription: Sendable, Equatable {
  package enum Loss: String, Sendable, CaseIterable {
    case crossEntropy = "cross-entropy"
    case squaredError = "squared-error"
  }

  package enum Initialisation: String, Sendable, CaseIterable {
    /// Uniform, of variance 2 / inputs: for layers before a ReLU.
    case he
    /// Uniform, of variance 2 / (inputs + outputs).
    case xavier
  }

  package var input: SampleShape
  package var layers: [LayerDescription]
  package var loss: Loss
  package var initialisation: Initialisation

  package init(
    input: SampleShape, layers: [LayerDescription], loss: Loss = .crossEntropy, initialisation: Initialisation = .he
  ) {
    (self.input, self.layers, self.loss, self.initialisation) = (input, layers, loss, initialisation)
  }
}
