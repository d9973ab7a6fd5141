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
  /// Of the differences; what a server keeps from round to round beside the model.
  public let first: FloatBuffer?
  public let second: FloatBuffer?

  public init(_ settings: Settings, count: Int) {
    self.settings = settings
    first = settings.rule == .fedavg ? nil : FloatBuffer(count: count)
    switch settings.rule {
    case .fedavg, .fedavgm: second = nil
    case .fedadagrad, .fedadam, .fedyogi:
      second = FloatBuffer(count: count)
      // As in the paper: it begins at tau squared.
      second?.values.update(repeating: Float(settings.tau * settings.tau))
    }
  }

  /// Moves `model` on, by the mean of its clients.
  public func step(_ model: FloatBuffer, towards mean: FloatBuffer) {
    precondition(model.count == mean.count)
    let rate = settings.learningRate
    for place in 0..<model.count {
      let difference = Double(mean.base[place]) - Double(model.base[place])
      model.base[place] = Float(Double(model.base[place]) + rate * move(difference, place))
    }
  }

  @inline(__always) private func move(_ difference: Double, _ place: Int) -> Double {
    guard let first else { return difference }
    let share = settings.rule == .fedavgm ? 1 : 1 - settings.beta1
    let momentum = settings.beta1 * Double(first.base[place]) + share * difference
    first.base[place] = Float(momentum)
    guard let second else { return momentum }
    let square = difference * difference, old = Double(second.base[place])
    let moment =
      switch settings.rule {
      case .fedadagrad: old + square
      case .fedyogi: old - (1 - settings.beta2) * square * (old > square ? 1 : old < square ? -1 : 0)
      default: settings.beta2 * old + (1 - settings.beta2) * square
      }
    second.base[place] = Float(moment)
    return momentum / (moment.squareRoot() + settings.tau)
  }
}
