internal import CTraining

/// How parameters follow their gradient.
package struct Optimiser: Sendable, Equatable {
  package enum Kind: Sendable, Equatable {
    case sgd(momentum: Float, nesterov: Bool)
    case adam(beta1: Float, beta2: Float, epsilon: Float)
    /// Loshchilov and Hutter, "Decoupled weight decay regularization" (2019).
    case adamW(beta1: Float, beta2: Float, epsilon: Float)
  }

  package var kind: Kind
  package var rate: Float
  package var decay: Float
  /// Li and others, "Federated optimization in heterogeneous networks" (2020): mu, the pull towards where the round
  /// began.
  package var proximal: Float

  package init(_ kind: Kind, rate: Float, decay: Float = 0, proximal: Float = 0) {
    (self.kind, self.rate, self.decay, self.proximal) = (kind, rate, decay, proximal)
  }

  package static func sgd(rate: Float, momentum: Float = 0, nesterov: Bool = false, decay: Float = 0) -> Self {
    Self(.sgd(momentum: momentum, nesterov: nesterov), rate: rate, decay: decay)
  }

  package static func adam(rate: Float = 1e-3, decay: Float = 0) -> Self {
    Self(.adam(beta1: 0.9, beta2: 0.999, epsilon: 1e-8), rate: rate, decay: decay)
  }

  package static func adamW(rate: Float = 1e-3, decay: Float = 0.01) -> Self {
    Self(.adamW(beta1: 0.9, beta2: 0.999, epsilon: 1e-8), rate: rate, decay: decay)
  }

  var rule: training_rule {
    var rule = training_rule()
    (rule.rate, rule.decay, rule.proximal) = (rate, decay, proximal)
    switch kind {
    case .sgd(let momentum, let nesterov):
      (rule.kind, rule.momentum, rule.nesterov) = (TRAINING_SGD, momentum, nesterov ? 1 : 0)
    case .adam(let beta1, let beta2, let epsilon):
      (rule.kind, rule.beta1, rule.beta2, rule.epsilon) = (TRAINING_ADAM, beta1, beta2, epsilon)
    case .adamW(let beta1, let beta2, let epsilon):
      (rule.kind, rule.beta1, rule.beta2, rule.epsilon) = (TRAINING_ADAMW, beta1, beta2, epsilon)
    }
    return rule
  }
}
