import NodeKit
import Testing

@testable import Training

/// The optimisers beside their formulas in doubles, over some steps with gradients that change.
@Suite struct OptimiserTests {
  /// One dense layer of 37 + 1 parameters: whole vectors and a rest.
  private static let model = ModelDescription(
    input: SampleShape(37), layers: [.dense(units: 1, bias: true)], loss: .squaredError)
  private static let steps = 7

  /// Computes a step: the step's number, a parameter, its gradient, and the two numbers that are remembered for it.
  typealias Formula = (Int, inout Double, Double, inout (Double, Double)) -> Void

  private func compare(_ optimiser: Optimiser, correction: [Float]? = nil, _ formula: Formula) throws {
    let engine = try TrainingEngine(Self.model, seed: 2)
    try engine.optimise(optimiser)
    try engine.correct(by: correction)
    var exact = engine.parameters.map { Double($0) }
    var remembered = exact.map { _ in (0.0, 0.0) }
    for step in 1...Self.steps {
      let gradient = exact.indices.map { Float(($0 * 5 + step * 3) % 13) / 8 - 0.7 }
      engine.withGradient { _ = $0.update(fromContentsOf: gradient) }
      engine.step()
      for place in exact.indices { formula(step, &exact[place], Double(gradient[place]), &remembered[place]) }
    }
    for (place, parameter) in engine.parameters.enumerated() {
      #expect(abs(Double(parameter) - exact[place]) < 2e-6, "parameter \(place)")
    }
  }

  @Test func plainDescent() throws {
    try compare(.sgd(rate: 0.05)) { _, parameter, slope, _ in parameter -= 0.05 * slope }
  }

  @Test func momentumAndDecay() throws {
    try compare(.sgd(rate: 0.05, momentum: 0.9, decay: 0.01)) { _, parameter, slope, kept in
      kept.0 = 0.9 * kept.0 + slope + 0.01 * parameter
      parameter -= 0.05 * kept.0
    }
  }

  @Test func nesterovsMomentum() throws {
    try compare(.sgd(rate: 0.05, momentum: 0.9, nesterov: true)) { _, parameter, slope, kept in
      kept.0 = 0.9 * kept.0 + slope
      parameter -= 0.05 * (slope + 0.9 * kept.0)
    }
  }

  /// Kingma and Ba, "Adam" (2015), algorithm 1.
  @Test func adam() throws {
    try compare(.adam(rate: 0.01, decay: 0.1)) { step, parameter, slope, kept in
      adapt(step, &parameter, slope + 0.1 * parameter, &kept)
    }
  }

  /// Loshchilov and Hutter, algorithm 2: the decay does not go through the moments.
  @Test func adamW() throws {
    try compare(.adamW(rate: 0.01, decay: 0.1)) { step, parameter, slope, kept in
      parameter -= 0.01 * 0.1 * parameter
      adapt(step, &parameter, slope, &kept)
    }
  }

  private func adapt(_ step: Int, _ parameter: inout Double, _ slope: Double, _ kept: inout (Double, Double)) {
    kept.0 = 0.9 * kept.0 + 0.1 * slope
    kept.1 = 0.999 * kept.1 + 0.001 * slope * slope
    let first = kept.0 / (1 - power(0.9, step)), second = kept.1 / (1 - power(0.999, step))
    parameter -= 0.01 * first / (second.squareRoot() + 1e-8)
  }

  private func power(_ base: Double, _ count: Int) -> Double { (0..<count).reduce(1) { result, _ in result * base } }

  /// FedProx, equation 2: mu / 2 times the squared distance from where the round began is added to the loss.
  @Test func proximalTerm() throws {
    let start = try TrainingEngine(Self.model, seed: 2).parameters.map { Double($0) }
    var place = -1
    try compare(Optimiser(.sgd(momentum: 0, nesterov: false), rate: 0.05, proximal: 0.3)) { _, parameter, slope, _ in
      place = (place + 1) % start.count
      parameter -= 0.05 * (slope + 0.3 * (parameter - start[place]))
    }
  }

  /// SCAFFOLD, algorithm 1, line 10: y - rate * (gradient - own control variate + the server's).
  @Test func controlVariates() throws {
    let correction = (0..<38).map { Float($0 % 5) * 0.1 - 0.2 }
    var place = -1
    try compare(.sgd(rate: 0.05), correction: correction) { _, parameter, slope, _ in
      place = (place + 1) % correction.count
      parameter -= 0.05 * (slope + Double(correction[place]))
    }
  }

  /// A step that is made while the gradient arises is the step that is made from a gradient as a whole.
  @Test(arguments: ModelDescription.shipped.map(\.name)) func stepsOnTheWayAreTheSame(_ name: String) throws {
    let model = try ModelDescription(json: .string(name))
    let data = SyntheticImages(seed: 4).samples(48)
    let direct = try TrainingEngine(model, seed: 1), whole = try TrainingEngine(model, seed: 1)
    for engine in [direct, whole] {
      try engine.optimise(.adamW(rate: 1e-3))
      engine.anchor()
    }
    for start in [UInt32(0), 11, 23] {
      let places = Array(start..<start + 25)
      try direct.step(on: data, places)
      try whole.gradient(of: data, places)
      whole.step()
    }
    #expect(direct.parameters == whole.parameters)
  }

  @Test func whatIsNoRuleIsRefused() throws {
    let engine = try TrainingEngine(Self.model)
    for optimiser in [
      Optimiser.sgd(rate: .nan), Optimiser(.adam(beta1: 1, beta2: 0.9, epsilon: 1e-8), rate: 1),
      Optimiser(.adam(beta1: 0.9, beta2: 0.9, epsilon: 0), rate: 1), .sgd(rate: 1, decay: .infinity),
    ] {
      #expect(throws: RoleError.self) { try engine.optimise(optimiser) }
    }
    #expect(throws: RoleError.self) { try engine.correct(by: [1]) }
    #expect(throws: RoleError.self) { try engine.setParameters([1]) }
  }
}
