@testable import Training

/// The same networks once more, as plainly as can be: in doubles, one sample and one number after the other. What the
/// engine computes in float32, sixteen samples at a time, is compared with it.
struct ReferenceNetwork {
  let model: ModelDescription
  let tensors: [String: ParameterTensor]
  /// Of the engine that is compared, for dropout.
  let seed: UInt64
  let isTraining: Bool

  init(_ engine: TrainingEngine, seed: UInt64, isTraining: Bool = true) {
    model = engine.model
    tensors = Dictionary(uniqueKeysWithValues: engine.tensors.map { ($0.name, $0) })
    (self.seed, self.isTraining) = (seed, isTraining)
  }

  /// How the loss changes with a parameter: the difference over a small step in each direction.
  func slope(of parameters: [Double], at place: Int, _ data: DataSet) -> Double {
    let step = 1e-7
    var moved = parameters
    moved[place] += step
    let above = loss(moved, data)
    moved[place] -= 2 * step
    return (above - loss(moved, data)) / (2 * step)
  }

  func loss(_ parameters: [Double], _ data: DataSet) -> Double {
    let outputs = outputs(parameters, data)
    let losses = zip(outputs, data.labels).map { output, label -> Double in
      switch model.loss {
      case .crossEntropy:
        let most = output.max()!
        return most + logarithm(output.reduce(0) { $0 + exponential($1 - most) }) - output[Int(label)]
      case .squaredError:
        let squares = output.enumerated().map { ($1 - ($0 == Int(label) ? 1 : 0)) * ($1 - ($0 == Int(label) ? 1 : 0)) }
        return squares.reduce(0, +) / Double(output.count)
      }
    }
    return losses.reduce(0, +) / Double(losses.count)
  }

  func outputs(_ parameters: [Double], _ data: DataSet) -> [[Double]] {
    var pass = ReferencePass(network: self, parameters: parameters)
    let rows = (0..<data.count).map { sample in
      data.samples[sample * data.shape.features..<(sample + 1) * data.shape.features].map { Double($0) }
    }
    return pass.run(model.layers, named: "", Maps(shape: model.input, rows: rows)).rows
  }
}

/// What lies between two layers: the numbers of each sample.
struct Maps {
  var shape: SampleShape
  var rows: [[Double]]

  /// Number at a place of a channel; 0 outside.
  func at(_ row: Int, _ channel: Int, _ y: Int, _ x: Int) -> Double {
    guard (0..<shape.height).contains(y), (0..<shape.width).contains(x) else { return 0 }
    return rows[row][(channel * shape.height + y) * shape.width + x]
  }

  func mapped(_ body: (Double) -> Double) -> Maps { Maps(shape: shape, rows: rows.map { $0.map(body) }) }
}
