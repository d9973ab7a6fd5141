@testable import Training

/// One pass of a ``ReferenceNetwork``.
struct ReferencePass {
  let network: ReferenceNetwork
  let parameters: [Double]
  /// Of the next layer, as the engine counts them.
  private var number = 0

  init(network: ReferenceNetwork, parameters: [Double]) { (self.network, self.parameters) = (network, parameters) }

  private func tensor(_ name: String) -> [Double]? { network.tensors[name].map { Array(parameters[$0.range]) } }

  mutating func run(_ layers: [LayerDescription], named prefix: String, _ input: Maps) -> Maps {
    var maps = input
    for (index, layer) in layers.enumerated() { maps = run(layer, "\(prefix)\(index)", maps) }
    return maps
  }

  private mutating func run(_ layer: LayerDescription, _ name: String, _ input: Maps) -> Maps {
    if case .residual(let body, let shortcut) = layer {
      let left = run(body, named: "\(name).body.", input), right = run(shortcut, named: "\(name).shortcut.", input)
      number += 1
      return Maps(shape: left.shape, rows: zip(left.rows, right.rows).map { zip($0, $1).map { $0 + $1 } })
    }
    defer { number += 1 }
    switch layer {
    case .dense(let units, _): return dense(units, name, input)
    case .convolution(let channels, let window, let stride, let padding, _):
      let weights = tensor("\(name).weight")!, bias = tensor("\(name).bias")
      let sources = input.shape.channels
      return slide(input, channels, window, stride, padding) { row, channel, y, x in
        var sum = bias?[channel] ?? 0
        for source in 0..<sources {
          for tap in 0..<window * window {
            let weight = weights[(channel * sources + source) * window * window + tap]
            sum += weight * input.at(row, source, y + tap / window, x + tap % window)
          }
        }
        return sum
      }
    case .maxPool(let window, let stride):
      return slide(input, input.shape.channels, window, stride, 0) { row, channel, y, x in
        (0..<window * window).map { input.at(row, channel, y + $0 / window, x + $0 % window) }.max()!
      }
    case .averagePool(let window, let stride):
      return slide(input, input.shape.channels, window, stride, 0) { row, channel, y, x in
        let numbers = (0..<window * window).map { input.at(row, channel, y + $0 / window, x + $0 % window) }
        return numbers.reduce(0, +) / Double(window * window)
      }
    case .globalAverage:
      let area = input.shape.height * input.shape.width
      let rows = input.rows.map { row in
        (0..<input.shape.channels).map { row[$0 * area..<($0 + 1) * area].reduce(0, +) / Double(area) }
      }
      return Maps(shape: SampleShape(input.shape.channels), rows: rows)
    case .batchNorm(let epsilon, _): return batchNorm(epsilon, name, input)
    case .layerNorm(let epsilon): return layerNorm(epsilon, name, input)
    case .dropout(let rate): return network.isTraining ? dropout(rate, input) : input
    case .relu: return input.mapped { max(0, $0) }
    case .gelu: return input.mapped { $0 * gaussianIntegral($0) }
    case .flatten: return Maps(shape: SampleShape(input.shape.features), rows: input.rows)
    case .residual: return input
    }
  }

  private func dense(_ units: Int, _ name: String, _ input: Maps) -> Maps {
    let weights = tensor("\(name).weight")!, bias = tensor("\(name).bias"), inputs = input.shape.features
    let rows = input.rows.map { row in
      (0..<units).map { unit in
        (0..<inputs).reduce(bias?[unit] ?? 0) { $0 + weights[unit * inputs + $1] * row[$1] }
      }
    }
    return Maps(shape: SampleShape(units), rows: rows)
  }

  /// `body` gets the sample, the channel, and the upper left corner of the window.
  private func slide(
    _ input: Maps, _ channels: Int, _ window: Int, _ stride: Int, _ padding: Int,
    _ body: (Int, Int, Int, Int) -> Double
  ) -> Maps {
    let height = (input.shape.height + 2 * padding - window) / stride + 1
    let width = (input.shape.width + 2 * padding - window) / stride + 1
    let rows = input.rows.indices.map { row in
      (0..<channels * height * width).map { place in
        body(
          row, place / (height * width), place / width % height * stride - padding, place % width * stride - padding)
      }
    }
    return Maps(shape: SampleShape(channels, height, width), rows: rows)
  }

  private func batchNorm(_ epsilon: Float, _ name: String, _ input: Maps) -> Maps {
    let scale = tensor("\(name).weight")!, shift = tensor("\(name).bias")!
    let means = tensor("\(name).running_mean")!, variances = tensor("\(name).running_var")!
    let area = input.shape.height * input.shape.width
    var result = input
    for channel in 0..<input.shape.channels {
      let range = channel * area..<(channel + 1) * area
      let (mean, deviation) =
        network.isTraining
        ? moments(input.rows.flatMap { $0[range] }, epsilon)
        : (means[channel], (variances[channel] + Double(epsilon)).squareRoot())
      for row in result.rows.indices {
        for place in range {
          result.rows[row][place] = (input.rows[row][place] - mean) / deviation * scale[channel] + shift[channel]
        }
      }
    }
    return result
  }

  private func layerNorm(_ epsilon: Float, _ name: String, _ input: Maps) -> Maps {
    let scale = tensor("\(name).weight")!, shift = tensor("\(name).bias")!
    let rows = input.rows.map { row in
      let (mean, deviation) = moments(row, epsilon)
      return row.indices.map { (row[$0] - mean) / deviation * scale[$0] + shift[$0] }
    }
    return Maps(shape: input.shape, rows: rows)
  }

  private func moments(_ numbers: [Double], _ epsilon: Float) -> (mean: Double, deviation: Double) {
    let mean = numbers.reduce(0, +) / Double(numbers.count)
    let variance = numbers.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(numbers.count)
    return (mean, (variance + Double(epsilon)).squareRoot())
  }

  /// Which numbers are kept depends on the seed, the layer and their place alone; this is the first pass.
  private func dropout(_ rate: Float, _ input: Maps) -> Maps {
    var key = network.seed &+ 0x9E37_79B9_7F4A_7C15 &* UInt64(number + 1)
    key = (key ^ (key >> 30)) &* 0xBF58_476D_1CE4_E5B9
    key = (key ^ (key >> 27)) &* 0x94D0_49BB_1331_11EB
    var result = input
    for row in input.rows.indices {
      for feature in 0..<input.shape.features {
        let place = UInt32((row / 16 * input.shape.features + feature) * 16 + row % 16)
        let isKept = mixed(place &* 0x9E37_79B1 &+ UInt32(key >> 32)) >> 8 >= UInt32(rate * 16_777_216)
        result.rows[row][feature] = isKept ? input.rows[row][feature] / (1 - Double(rate)) : 0
      }
    }
    return result
  }

  private func mixed(_ word: UInt32) -> UInt32 {
    var word = word
    word = (word ^ (word >> 16)) &* 0x85EB_CA6B
    word = (word ^ (word >> 13)) &* 0xC2B2_AE35
    return word ^ (word >> 16)
  }
}
