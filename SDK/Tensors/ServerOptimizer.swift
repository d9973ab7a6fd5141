/// How the server goes on from the mean of its clients: straight to it (FedAvg: McMahan and others, 2017), or with the
/// mean's difference taken as a gradient (Reddi and others, "Adaptive Federated Optimization", 2021).
public struct ServerOptimizer {
  public enum Rule: String, Sendable, CaseIterable {
    case fedavg, fedavgm, fedadagrad, fedadam, fedyogi
  }

  public struct Settings: Sendable, Hashable {
    public var rule: Rule
    public var learningRate: Double
    /// Of the momentum.
    public var beta1: Double
    /// Of the second moment.
    public var beta2: Double
    /// How adaptive: the least that a difference is divided by.
    public var tau: Double

    public init(
      _ rule: Rule, learningRate: Double? = nil, beta1: Double = 0.9, beta2: Double = 0.99, tau: Double = 1e-3
    ) {
      let usual = rule == .fedavg || rule == .fedavgm ? 1 : 0.1
      (self.rule, self.learningRate, self.beta1, self.beta2, self.tau) = (
        rule, learningRate ?? usual, beta1, beta2, tau
      )
    }
  }

  public let settings: Settings

  public init(_ settings: Settings) { self.settings = settings }

  /// What a server keeps for each number from round to round, beside the model: the first moment of the differences
  /// and the second.
  public var keepsMoments: Bool { settings.rule != .fedavg }
  /// What the second moment begins at: as in the paper, tau squared.
  public var secondMoment: Float {
    settings.rule == .fedavgm ? 0 : Float(settings.tau * settings.tau)
  }

  /// Moves `model` on, by the mean of its clients. `moments` are pairs, one for each number.
  public func step(_ model: FloatBuffer, towards mean: FloatBuffer, moments: FloatBuffer?, count: Int) {
    precondition(model.count >= count && mean.count >= count && moments?.count ?? .max >= 2 * count)
    let rate = settings.learningRate
    for place in 0..<count {
      let difference = Double(mean.base[place]) - Double(model.base[place])
      let move = moments.map { self.move(difference, $0.base + 2 * place) } ?? difference
      model.base[place] = Float(Double(model.base[place]) + rate * move)
    }
  }

  @inline(__always) private func move(_ difference: Double, _ moments: UnsafeMutablePointer<Float>) -> Double {
    let share = settings.rule == .fedavgm ? 1 : 1 - settings.beta1
    let first = settings.beta1 * Double(moments[0]) + share * difference
    moments[0] = Float(first)
    guard settings.rule != .fedavgm else { return first }
    let square = difference * difference, old = Double(moments[1])
    let second =
      switch settings.rule {
      case .fedadagrad: old + square
      case .fedyogi: old - (1 - settings.beta2) * square * (old > square ? 1 : old < square ? -1 : 0)
      default: settings.beta2 * old + (1 - settings.beta2) * square
      }
    moments[1] = Float(second)
    return first / (second.squareRoot() + settings.tau)
  }
}
