public import NodeKit
internal import SecureSum

/// Of `secure_aggregation`.
public struct SecureArguments: RoleConfig {
  @Setting(
    "The share of a round's trainers that must come to the end; fewer show nothing. More of them keep a secret from more who conspire.",
    in: 0.5...1)
  public var threshold = 0.6
  @Setting(
    "The greatest change of a number; greater ones are cut to it. The mean is right to within about a 2^31st of it.",
    in: 1e-6...65_536)
  public var range = 8.0
  @Setting("For each of the questions before and after the training.", in: 0.1...3600) public var timeoutS = 30.0
  public init() {}
}

extension SessionDocument {
  /// What secure aggregation asks of the rest of the document.
  func checkSecure() throws {
    guard sessionConfig.secureAggregation else { return }
    let place = "/session_config/secure_aggregation"
    guard case .mean = try aggregation() else {
      throw RoleError(
        .invalidArgument,
        "`\(sessionConfig.aggregator)` looks at single updates, which nobody sees; take fedavg, fedavgm, fedadagrad, "
          + "fedadam or fedyogi", at: place)
    }
    guard benchmarkConfig.skipBenchmark else {
      throw RoleError(
        .invalidArgument, "updates of the benchmark would be seen; set skip_benchmark", at: "/benchmark_config")
    }
    guard sessionConfig.updateForm == "f32" else {
      throw RoleError(
        .invalidArgument, "masked numbers have a form of their own; leave update_form out", at: place)
    }
  }

  /// The plan of a round.
  ///
  /// - Parameters:
  ///   - participants: who is asked.
  ///   - most: the greatest number of samples that one of them has.
  func securePlan(round: String, participants: Int, count: Int, most: Int) throws -> SecurePlan {
    let arguments = sessionConfig.secureAggregationArgs
    let share = Int((arguments.threshold * Double(participants)).rounded(.up))
    let threshold = max(2, participants / 2 + 1, serverTrainingConfig.leastUpdates, share)
    return try SecurePlan(
      round: round, threshold: threshold, participants: participants, count: count, range: Float(arguments.range),
      weightLimit: max(1, min(most, Int(UInt32.max) / max(1, participants))))
  }
}
