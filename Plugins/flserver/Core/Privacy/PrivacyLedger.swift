internal import NodeKit
internal import Privacy

/// What a session has cost its trainers of their privacy. Each trainer clips its update and adds noise to it before it
/// leaves; the noise of a sum of n is sqrt(n) times that of one, so what is spent depends on how many a step is made of.
struct PrivacyLedger {
  private var accountant = PrivacyAccountant()
  private let noiseMultiplier: Double
  let delta: Double

  /// Nil if the session's updates have no noise.
  init?(_ document: SessionDocument) {
    let client = document.clientTrainingConfig
    guard client.noiseMultiplier > 0 else { return nil }
    (noiseMultiplier, delta) = (client.noiseMultiplier, document.sessionConfig.privacyDelta)
  }

  /// A model was made.
  ///
  /// - Parameters:
  ///   - share: of those who might have been asked, how many were; 1 if it was not left to chance.
  mutating func stepped(updates: Int, share: Double) {
    guard updates > 0 else { return }
    let noise = noiseMultiplier * Double(updates).squareRoot()
    accountant.add(share: max(0, min(1, share)), noiseMultiplier: noise)
  }

  var rounds: Int { accountant.rounds }
  var epsilon: Double { accountant.epsilon(delta: delta) }

  /// For the session's record, and from it.
  var json: JSON {
    ["rounds": .int(Int64(rounds)), "spent": .array(accountant.divergences.map { .double($0) })]
  }

  mutating func restore(_ json: JSON?) throws {
    guard let json else { return }
    let spent = (json["spent"]?.array ?? []).compactMap(\.double)
    guard let rounds = json["rounds"]?.int, let kept = PrivacyAccountant(divergences: spent, rounds: Int(rounds)) else {
      throw RoleError(.dataLoss, "what a session has spent of privacy is no record of this version")
    }
    accountant = kept
  }
}

extension Selection {
  /// How likely each of `count` was to be among the `chosen`: of the rules that draw with equal chances. All others
  /// hide nobody.
  func chance(ofBeingAmong chosen: Int, of count: Int) -> Double {
    guard [.randomSubset, .fedavg].contains(rule), count > 0 else { return 1 }
    return min(1, Double(chosen) / Double(count))
  }
}

extension SessionDocument {
  /// What differential privacy asks of the rest of the document.
  func checkPrivacy() throws {
    let client = clientTrainingConfig
    guard client.noiseMultiplier > 0 else { return }
    guard client.clip > 0 else {
      throw RoleError(
        .invalidArgument, "noise hides only what has a length that is known; set clip",
        at: "/client_training_config/noise_multiplier")
    }
    guard benchmarkConfig.skipBenchmark else {
      throw RoleError(
        .invalidArgument, "the benchmark's updates would not be accounted for; set skip_benchmark",
        at: "/benchmark_config")
    }
    guard !(try form().takesBase) else {
      throw RoleError(
        .invalidArgument, "what a form leaves out comes later, unclipped; take one without delta and top",
        at: "/session_config/update_form")
    }
    guard case .mean = try aggregation() else {
      throw RoleError(
        .invalidArgument,
        "what `\(sessionConfig.aggregator)` makes of noise is not accounted for; take fedavg, fedavgm, fedadagrad, "
          + "fedadam or fedyogi", at: "/session_config/aggregator")
    }
  }
}
