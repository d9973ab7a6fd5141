internal import NodeKit
internal import Tensors

/// How the updates of a step become a model.
enum Aggregation: Equatable {
  /// The mean by samples, and what the server makes of it.
  case mean(ServerOptimizer.Settings)
  /// The model moves towards the update by `alpha`, less for one that is old (FedAsync).
  case mixed(alpha: Double, staleness: Double)
  /// The model moves by the mean of what each update has changed, less for one that is old (FedBuff).
  case buffered(rate: Double, staleness: Double)
  /// The mean by samples is its tier's model, of so many; the model is a mean of all tiers' (FedAT).
  case tiers(Int)
  /// The mean by these weights.
  case weighed([Double])
  case trimmedMean(share: Double)
  case median
  /// The update nearest to its neighbours, or the mean of those `keep` are left of when the faulty ones are gone.
  case krum(faulty: Int, isMulti: Bool)
  /// What a role makes of them.
  case role(String)

  /// With fewer it is not defined.
  var leastUpdates: Int {
    switch self {
    case .mean, .mixed, .buffered, .tiers, .weighed: 1
    case .trimmedMean(let share): share > 0 ? 3 : 1
    case .median: 1
    case .krum(let faulty, _): 2 * faulty + 3
    case .role: 1
    }
  }

  /// What an update counts that began so many steps ago (Xie and others, 2019: the polynomial).
  static func weight(ofAge age: Int, staleness: Double) -> Double {
    Logarithm.power(-staleness * Logarithm.of(1 + Double(max(0, age))))
  }
}

extension SessionDocument {
  func aggregation() throws -> Aggregation {
    let word = sessionConfig.aggregator, arguments = sessionConfig.aggregatorArgs
    if let rule = ServerOptimizer.Rule(rawValue: word) {
      return .mean(
        ServerOptimizer.Settings(
          rule, learningRate: arguments.learningRate, beta1: arguments.beta1, beta2: arguments.beta2, tau: arguments.tau
        ))
    }
    if let role = Self.role(word) { return .role(role) }
    switch word {
    case "fedasync": return .mixed(alpha: arguments.alpha, staleness: arguments.staleness)
    case "fedbuff": return .buffered(rate: arguments.learningRate ?? 1, staleness: arguments.staleness)
    case "fedat": return .tiers(arguments.tiers)
    case "trimmed_mean": return .trimmedMean(share: arguments.trim)
    case "median": return .median
    case "krum": return .krum(faulty: arguments.faulty, isMulti: false)
    case "multi_krum": return .krum(faulty: arguments.faulty, isMulti: true)
    default:
      throw RoleError(
        .invalidArgument,
        "there is no aggregator `\(word)`; known are fedavg, fedavgm, fedadagrad, fedadam, fedyogi, fedasync, fedbuff, "
          + "fedat, trimmed_mean, median, krum, multi_krum, and role:NAME", at: "/session_config/aggregator")
    }
  }
}
